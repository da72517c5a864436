"""What a guest's QEMU, and the agent, may do on their node, as the node's kernel says."""

from pathlib import Path

import pytest
import yaml

from support.capabilities import named

pytestmark = pytest.mark.e2e

AGENT = Path(__file__).parents[2] / "manifests/base/agent.yaml"


def process(cluster, node: str, uid: str) -> tuple[dict[str, str], str, str]:
    """Of the QEMU of an Instance: its status by field (proc(5)), its command line, its cgroup."""
    find = f"pid=$(pgrep -f 'guest=[o]rlop-{uid}' | head -n1)"
    show = "cat /proc/$pid/status; echo; tr '\\0' ' ' < /proc/$pid/cmdline; echo; cat /proc/$pid/cgroup"
    status, _, rest = cluster.on_node(node, "bash", "-c", f"{find}; {show}").partition("\n\n")
    command, _, cgroup = rest.partition("\n")
    return fields_of(status), command, cgroup


def fields_of(status: str) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)


def test_qemu_has_no_rights_and_listens_nowhere(cluster):
    instance = cluster.create("confined")
    node, uid = instance["status"]["nodeName"], instance["metadata"]["uid"]
    status, command, cgroup = process(cluster, node, uid)
    assert "0" not in status["Uid"].split()
    assert "0" not in status["Gid"].split()
    for caps in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[caps], 16) == 0, status[caps]
    # 2: a filter (proc(5)); QEMU's own, which forbids new programs and more rights.
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
    assert "-sandbox on" in command
    for denied in ("obsolete", "elevateprivileges", "spawn", "resourcecontrol"):
        assert f"{denied}=deny" in command
    assert "machine" in cgroup
    sockets = cluster.on_node(node, "ss", "--listening", "--tcp", "--udp", "--processes", "--no-header")
    assert [line for line in sockets.splitlines() if "qemu" in line or "libvirt" in line] == []
    # Its disks are its user's; whoever else has an account on the node reads nothing of them.
    disks = f"virsh domblklist --details orlop-{uid} | awk '$2 == \"disk\" {{print $4}}'"
    modes = cluster.on_node(node, "bash", "-c", f"stat -c '%U %a' $({disks})").splitlines()
    assert modes
    assert [mode for mode in modes if mode.startswith("root ") or int(mode.split()[1], 8) & 0o007] == []


@pytest.mark.parametrize("number", [0, 1])
def test_the_agent_has_what_its_manifest_says_and_no_more(cluster, number):
    """tests/unit/test_security_page.py compares the manifest with the page that gives the reasons."""
    node = cluster.workers[number]
    documents = yaml.safe_load_all(AGENT.read_text())
    [pod] = [each["spec"]["template"]["spec"] for each in documents if each["kind"] == "DaemonSet"]
    [container] = pod["containers"]
    allowed = set(container["securityContext"]["capabilities"]["add"])
    look = "cd /proc/$(pgrep -x orlop-agent) && cat status && echo && cat mountinfo && echo && ls root/dev"
    shown = cluster.on_node(node, "bash", "-c", look)
    status, mounts, devices = shown.split("\n\n")
    fields = fields_of(status)
    assert fields["Name"].strip().startswith("orlop-agent")
    assert named(fields["CapEff"]) == named(fields["CapPrm"]) == named(fields["CapBnd"]) == allowed
    assert named(fields["CapAmb"]) == set()
    # 0: no filter; the page says why.
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "0")
    access = {line.split()[4]: line.split()[5].split(",")[0] for line in mounts.splitlines()}
    for mount in container["volumeMounts"]:
        assert access[mount["mountPath"]] == ("ro" if mount.get("readOnly") else "rw"), mount
    assert access["/"] == "ro"
    assert not {"kvm", "mem", "net", "loop-control", "fuse"} & set(devices.split())
