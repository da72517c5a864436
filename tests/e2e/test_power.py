"""A worker loses its power and gets it back: its guests run again, each once, with their data."""

import pytest

from orlop_cluster.lab import ready_reason
from support.lab import NAMESPACE

pytestmark = [pytest.mark.e2e, pytest.mark.disruptive, pytest.mark.timeout(1200)]


def test_power_cut_and_return(cluster):
    node, other = cluster.workers
    names = ("cut-1", "cut-2")
    boots = {}
    for name in names:
        seen = cluster.create(name, placement={"nodeSelector": {"kubernetes.io/hostname": node}})
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
    cluster.delete(*names)
