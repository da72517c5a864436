"""Bandwidth limits from the Instance to what agents read, with scripted agents."""

import pytest

from support import wishes
from support.prepared import Tenant, tenant
from support.scripted import Api, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]
SLOW = {"ingress": {"bitsPerSecond": "10M"}, "egress": {"bitsPerSecond": "2M", "burstBytes": "64Ki"}}
FAST = {"egress": {"bitsPerSecond": "1G"}}


def nic(qos: wishes.Body | None) -> wishes.Body:
    return {"name": "eth0", "networkRef": {"name": "blue"}} | ({"qos": qos} if qos else {})


async def in_force(user: Api, it: Tenant, port: str, qos: wishes.Body | None) -> None:
    def told(thing: wishes.Body | None) -> bool:
        assert thing
        return thing["status"].get("qos") == qos

    await user.until(it.path("ports"), port, told)


async def test_limits_are_followed_while_the_guest_runs(user: Api, agents: Agents) -> None:
    it = await tenant(user, "limits")
    ready = await it.boot("one", networks=[nic(SLOW)])
    order = await it.assignment(ready["metadata"]["uid"])
    assert order["spec"]["nics"][0]["qos"] == SLOW
    await in_force(user, it, "one-eth0", SLOW)
    await it.change("one", networks=[nic(FAST)])
    await in_force(user, it, "one-eth0", FAST)
    await it.change("one", networks=[nic(None)])
    await in_force(user, it, "one-eth0", None)
    await it.change("one", networks=[nic(SLOW)])
    await in_force(user, it, "one-eth0", SLOW)
    # The order is not written again: agents follow the Port.
    after = await it.assignment(ready["metadata"]["uid"])
    assert after["metadata"]["generation"] == order["metadata"]["generation"]


async def test_a_port_of_ones_own_says_its_limits_itself(user: Api, agents: Agents) -> None:
    it = await tenant(user, "own-limits")
    port = wishes.port("own-limits", "mine")
    port["spec"]["qos"] = SLOW
    await it.make("ports", port)
    await it.ready("mine", "ports")
    ready = await it.boot("one", networks=[{"name": "eth0", "portRef": {"name": "mine"}}])
    order = await it.assignment(ready["metadata"]["uid"])
    assert order["spec"]["nics"][0]["qos"] == SLOW
    path = it.path("ports") + "/mine"
    await user.call(
        "PATCH", path, {"spec": {"qos": {"ingress": None, "egress": FAST["egress"] | {"burstBytes": None}}}}
    )
    found = await user.call("GET", path)
    assert found["spec"]["qos"] == FAST
    assert "qos" not in found["status"]
