"""A worker loses its power and gets it back: its guests run again, each once, with their data and addresses."""

import pytest

from orlop_cluster.lab import ready_reason
from support.lab import NAMESPACE

pytestmark = [pytest.mark.e2e, pytest.mark.disruptive, pytest.mark.timeout(1200)]


def at(node):
    return {"placement": {"nodeSelector": {"kubernetes.io/hostname": node}}}


def test_power_cut_and_return(cluster):
    node, other = cluster.workers
    names = ("cut-1", "cut-2")
    boots = {}
    cluster.apply(cluster.object("Port", "kept", {"networkRef": {"name": "blue"}}))
    cluster.wait("oport/kept", namespace=NAMESPACE)
    kept = {"networks": [{"name": "eth0", "portRef": {"name": "kept"}}]}
    had = cluster.get("oport", "kept", NAMESPACE)["status"]
    identity = [{"network": "eth0", "ip": had["addresses"][0], "mac": had["macAddress"]}]
    for name in names:
        seen = cluster.create(name, **at(node), **(kept if name == "cut-1" else {}))
        cluster.booted(seen)
        boots[name] = cluster.answer(seen)[1]
    cluster.dev("kill", node)
    cluster.kubectl(
        "wait",
        f"hv/{node}",
        "--for=jsonpath={.status.conditions[?(@.type=='Ready')].status}=Unknown",
        "--timeout=180s",
    )
    cluster.wait(
        "inst/cut-1", "jsonpath={.status.conditions[?(@.type=='Ready')].reason}=NodeUnreachable", NAMESPACE
    )
    status, _, message = ready_reason(cluster.get("inst", "cut-1", NAMESPACE))
    assert status == "Unknown"
    assert node in message
    assert not any("cut" in name for name in cluster.domains(other))
    cluster.dev("start", node)
    cluster.wait("inst/cut-1 inst/cut-2", namespace=NAMESPACE, seconds=300)
    for name in names:
        seen = cluster.get("inst", name, NAMESPACE)
        assert seen["status"]["nodeName"] == node
        cluster.booted(seen, marks=2)
        assert cluster.answer(seen)[1] != boots[name]
        assert cluster.all_domains().count(f"orlop-{seen['metadata']['uid']}") == 1
    assert cluster.get("inst", "cut-1", NAMESPACE)["status"]["addresses"] == identity
    cluster.delete(*names)

    # The Port was made first, so it outlives its Instance, and another one has its address on another node.
    seen = cluster.create("moved", **at(other), **kept)
    assert seen["status"]["nodeName"] == other
    assert seen["status"]["addresses"] == identity
    assert f"ip={had['addresses'][0]}" in cluster.booted(seen)
    assert cluster.answer(seen)[0] == "moved"
    cluster.delete("moved")
    cluster.delete("kept", kind="oport")
