"""Networks of IPv6 alone from what a user names to what agents read, with the operator as a process."""

import pytest

from support import wishes
from support.prepared import tenant
from support.scripted import Api, ScriptedAgent

pytestmark = pytest.mark.component
SIX = {"name": "v6", "cidr": "fd00:13::/64", "dns": ["fd00:13::1"], "domain": "six.example"}


def network(namespace: str, name: str, **subnet: object) -> wishes.Body:
    return wishes.thing("Network", namespace, name, {"subnets": [SIX | subnet]})


async def test_only_agents_that_can_read_it_get_a_nic_without_ipv4(
    user: Api, agents: dict[str, ScriptedAgent]
) -> None:
    it = await tenant(user, "six", network=True)
    await it.make("networks", network("six", "alone"))
    ready = await it.ready("alone", "networks")
    assert wishes.condition(ready, "Ready")["message"].endswith("there is no way out: egress NAT is by IPv4")
    for agent in agents.values():
        await agent.report(nicFamilies=[])
    nic = {"name": "eth0", "networkRef": {"name": "alone"}}
    await it.make("instances", wishes.instance("six", "a", networks=[nic]))
    message = await it.because("a", "Unschedulable", kind="Scheduled")
    assert message == "0/2 hypervisors: 2 have an agent that knows no Network of IPv6 alone (upgrade it)"

    # One that runs gets no such NIC either, until its node's agent can read that.
    b = await it.boot("b")
    both = [*b["spec"]["networks"], {"name": "eth1", "networkRef": {"name": "alone"}}]
    await it.change("b", networks=both)
    said = await it.because("b", "AgentTooOld", kind="NetworkReady")
    assert said == "the node's agent knows no Network of IPv6 alone: upgrade it"
    assert len((await it.assignment(b["metadata"]["uid"]))["spec"]["nics"]) == 1

    for agent in agents.values():
        await agent.report(nicFamilies=["IPv4", "IPv6"])
    made = await it.ready("a")
    segment = ready["status"]["segmentID"]
    (has,) = made["status"]["addresses"]
    assert has["ip"] == has["ipv6"]
    assert has["mac"].startswith(f"02:{segment >> 16:02x}:{segment >> 8 & 255:02x}:{segment & 255:02x}:00:0")
    (ordered,) = (await it.assignment(made["metadata"]["uid"]))["spec"]["nics"]
    assert not {"cidr", "gateway"} & ordered.keys()
    assert ordered.get("addresses", []) == []
    assert ordered["ipv6"]["address"] == has["ip"]
    assert ordered["domain"] == "six.example"
    port = await user.until(it.path("ports"), "a-eth0", lambda thing: thing is not None)
    assert port is not None
    assert port["status"]["addresses"] == [has["ip"]]
    grown = await it.ready("b")
    assert [":" in each["ip"] for each in grown["status"]["addresses"]] == [False, True]

    await it.delete("a")
    await it.delete("b")
    assert not await it.left_of(made["metadata"]["uid"])


async def test_what_is_of_ipv4_alone_is_said(user: Api, agents: dict[str, ScriptedAgent]) -> None:
    it = await tenant(user, "six-refused", image=False, network=False)
    await it.make("networks", network("six-refused", "alone", cidr="fd00:14::/64", dns=[]))
    await it.ready("alone", "networks")
    ref = {"networkRef": {"name": "alone"}}
    for name, spec, reason, message in (
        (
            "four", {"address": "10.10.0.5"}, "AddressInvalid",
            "Network six-refused/alone has no IPv4 subnet: leave address out; a Port may have ipv6Address",
        ),
        (
            "pairs", {"allowedAddressPairs": [{"address": "10.10.0.100"}]}, "AddressPairInvalid",
            "allowedAddressPairs are of IPv4, and Network six-refused/alone has none: leave them out",
        ),
    ):  # fmt: skip
        await it.make("ports", wishes.thing("Port", "six-refused", name, ref | spec))
        assert await it.because(name, reason, "ports") == message
    await it.make("ports", wishes.thing("Port", "six-refused", "right", ref | {"ipv6Address": "fd00:14::77"}))
    assert (await it.ready("right", "ports"))["status"]["addresses"] == ["fd00:14::77"]
    pools = [{"start": "192.0.2.64", "end": "192.0.2.66"}]
    flat = {
        "segment": {"type": "Flat", "physicalNetwork": "public"},
        "subnets": [{"name": "v4", "cidr": "192.0.2.0/24", "pools": pools}],
    }
    await it.make("networks", wishes.thing("Network", "six-refused", "public", flat))
    await it.ready("public", "networks")
    led = {"networkRef": {"name": "public"}, "portRef": {"name": "right"}}
    await it.make("floatingips", wishes.thing("FloatingIP", "six-refused", "one", led))
    assert await it.because("one", "NoIPv4Address", "floatingips") == (
        "Network six-refused/alone of Port six-refused/right has IPv6 alone: a floating address is of IPv4, and"
        " leads to a Port with one"
    )
