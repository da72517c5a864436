"""What a guest's QEMU may do on its node, as the node's kernel says."""

import pytest

pytestmark = pytest.mark.e2e


def process(cluster, node: str, uid: str) -> tuple[dict[str, str], str, str]:
    """Of the QEMU of an Instance: its status by field (proc(5)), its command line, its cgroup."""
    find = f"pid=$(pgrep -f 'guest=[o]rlop-{uid}' | head -n1)"
    show = "cat /proc/$pid/status; echo; tr '\\0' ' ' < /proc/$pid/cmdline; echo; cat /proc/$pid/cgroup"
    status, _, rest = cluster.on_node(node, "bash", "-c", f"{find}; {show}").partition("\n\n")
    command, _, cgroup = rest.partition("\n")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return fields, command, cgroup


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
