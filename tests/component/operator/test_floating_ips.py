"""FloatingIPs from what a user names to what agents read, with the operator as a process."""

from collections.abc import Iterator
from typing import Any

import pytest

from support import wishes
from support.apiserver import ApiServer
from support.prepared import Tenant, tenant
from support.rest import Rest, User
from support.rights import Right, grant
from support.scripted import ORLOP, Api, RefusedError, ScriptedAgent, api

pytestmark = pytest.mark.component
CLAIMS = f"{ORLOP}/namespaces/orlop-system/claims"
POOLS = [{"start": "192.0.2.64", "end": "192.0.2.66"}]


@pytest.fixture
def admin(cloud: ApiServer) -> Iterator[Rest]:
    client = Rest(cloud)
    yield client
    client.close()


def external(namespace: str, reuse_after: str = "0s") -> wishes.Body:
    spec = {
        "segment": {"type": "Flat", "physicalNetwork": "public"},
        "subnets": [{"name": "v4", "cidr": "192.0.2.0/24", "pools": POOLS, "reuseAfter": reuse_after}],
    }
    return wishes.thing("Network", namespace, "public", spec)


def floating(namespace: str, name: str, lender: str | None = None, **spec: Any) -> wishes.Body:
    ref = {"name": "public"} | ({"namespace": lender} if lender else {})
    return wishes.thing("FloatingIP", namespace, name, {"networkRef": ref} | spec)


async def led(user: Api, it: Tenant, name: str, port: str | None, node: str | None = None) -> wishes.Body:
    def told(thing: wishes.Body | None) -> bool:
        status = (thing or {}).get("status", {})
        return (status.get("target", {}).get("name"), status.get("nodeName")) == (port, node)

    found = await user.until(it.path("floatingips"), name, told)
    assert found
    status: wishes.Body = found["status"]
    return status


async def test_an_address_is_claimed_led_moved_and_given_back(
    user: Api, agents: dict[str, ScriptedAgent]
) -> None:
    it = await tenant(user, "floats")
    await it.make("networks", external("floats"))
    ready = await it.ready("public", "networks")
    assert "segmentID" not in ready["status"]
    await it.make("floatingips", floating("floats", "one"))
    assert (await it.ready("one", "floatingips"))["status"]["address"] == "192.0.2.64"
    await it.make("floatingips", floating("floats", "two", address="192.0.2.66", portRef={"name": "a-eth0"}))
    assert await it.because("two", "PortNotFound", "floatingips") == "Port floats/a-eth0 does not exist"

    made = await it.boot("a")
    status = await led(user, it, "two", "a-eth0", made["status"]["nodeName"])
    assert status["address"] == "192.0.2.66"
    assert status["physicalNetwork"] == "public"
    assert status["target"]["address"] == made["status"]["addresses"][0]["ip"]

    # One at a time; the second one goes on when the first lets go, and takes the Port with it to nobody else.
    await it.change("one", "floatingips", portRef={"name": "a-eth0"})
    message = await it.because("one", "PortInUse", "floatingips")
    assert message == "Port floats/a-eth0 has FloatingIP floats/two: a Port has one FloatingIP at a time"
    await it.change("two", "floatingips", portRef=None)
    assert (await led(user, it, "one", "a-eth0", made["status"]["nodeName"]))["address"] == "192.0.2.64"
    await led(user, it, "two", None)

    await it.delete("a")
    assert await it.because("one", "PortNotFound", "floatingips")
    await led(user, it, "one", None)
    for name in ("one", "two"):
        await it.delete(name, "floatingips")
    uid = ready["metadata"]["uid"]
    left = [claim["metadata"]["name"] for claim in (await user.call("GET", CLAIMS))["items"]]
    assert not [name for name in left if name == f"floating-{status['target']['uid']}" or uid in name]
    await it.delete("public", "networks")


async def test_who_finds_none_waits_for_one_and_a_freed_one_rests(user: Api, operator: object) -> None:
    it = await tenant(user, "floats-few", image=False, network=False)
    await it.make("networks", external("floats-few", "60s"))
    for name in ("one", "two", "three"):
        await it.make("floatingips", floating("floats-few", name))
        await it.ready(name, "floatingips")
    await it.make("floatingips", floating("floats-few", "four"))
    assert await it.because("four", "NoFreeAddress", "floatingips")
    await it.delete("two", "floatingips")
    assert (await it.ready("four", "floatingips"))["status"]["address"] == "192.0.2.65"
    await it.make("floatingips", floating("floats-few", "wrong", address="192.0.2.1"))
    assert "is not in its pools (192.0.2.64 to 192.0.2.66)" in await it.because(
        "wrong", "AddressInvalid", "floatingips"
    )
    # The Network waits for its addresses.
    await user.call("DELETE", f"{it.path('networks')}/public")
    assert "waits for FloatingIP" in await it.because("public", "InUse", "networks")
    for name in ("one", "three", "four", "wrong"):
        await it.delete(name, "floatingips")
    await user.until(it.path("networks"), "public", lambda thing: thing is None)


async def test_no_guest_joins_an_external_network(user: Api, agents: dict[str, ScriptedAgent]) -> None:
    it = await tenant(user, "floats-outside", network=False)
    await it.make("networks", external("floats-outside"))
    words = (
        "Network floats-outside/public is external (segment.type Flat), for FloatingIPs alone: guests join"
        " Networks with segment.type Overlay, VLAN or Bridge"
    )
    await it.make("ports", wishes.thing("Port", "floats-outside", "in", {"networkRef": {"name": "public"}}))
    assert await it.because("in", "NetworkIsExternal", "ports") == words
    router = {"networks": [{"name": "public"}]}
    await it.make("routers", wishes.thing("Router", "floats-outside", "in", router))
    assert await it.because("in", "NetworkIsExternal", "routers") == words
    nics = [{"name": "eth0", "networkRef": {"name": "public"}}]
    await it.make("instances", wishes.instance("floats-outside", "in", networks=nics))
    assert await it.because("in", "NetworkIsExternal") == words
    for plural in ("instances", "routers", "ports"):
        await it.delete("in", plural)


async def test_addresses_and_ports_are_for_who_may_use_them(
    user: Api, operator: object, admin: Rest, cloud: ApiServer
) -> None:
    owner = await tenant(user, "floats-lender", image=False, network=False)
    it = await tenant(user, "floats-guest", image=False)
    await owner.make("networks", external("floats-lender"))
    grant(admin, it.namespace, "fay", Right("create", "floatingips"))
    grant(admin, it.namespace, "fay", Right("create", "networks"))
    async with api(cloud, User("fay")) as fay:
        with pytest.raises(RefusedError, match=r"you may not use physicalnetworks\.orlop\.dev public"):
            await fay.call("POST", it.path("networks"), external(it.namespace))
        mine = floating(it.namespace, "mine", "floats-lender", portRef={"name": "web"})
        with pytest.raises(RefusedError, match=r"you may not use networks\.orlop\.dev floats-lender/public"):
            await fay.call("POST", it.path("floatingips"), mine)
        grant(admin, "floats-lender", "fay", Right("use", "networks", "public"))
        with pytest.raises(RefusedError, match=r"you may not use ports\.orlop\.dev floats-guest/web"):
            await fay.call("POST", it.path("floatingips"), mine)
        grant(admin, it.namespace, "fay", Right("use", "ports", "web"))
        await fay.call("POST", it.path("floatingips"), mine)
    assert await it.because("mine", "PortNotFound", "floatingips") == "Port floats-guest/web does not exist"
    await it.make("ports", wishes.thing("Port", it.namespace, "web", {"networkRef": {"name": "blue"}}))
    await led(user, it, "mine", "web")
    await it.delete("mine", "floatingips")
    await it.delete("web", "ports")
