"""Many Instances at once in a /23 that has not room for all: no address and no MAC twice, and nothing left.

`ORLOP_BURST=500` makes five hundred; the usual run makes fewer.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from support import wishes
from support.apiserver import ApiServer
from support.prepared import Tenant, tenant
from support.scripted import ORLOP, Api, ScriptedAgent, agent

pytestmark = [pytest.mark.component, pytest.mark.timeout(3600)]

Body = dict[str, Any]
MANY = int(os.environ.get("ORLOP_BURST", "60"))
CONTESTED = MANY // 20
"""Addresses that two Instances ask for by name, and as many Instances for which no address is left."""
CLAIMS = f"{ORLOP}/namespaces/orlop-system/claims"
SECONDS = 120 + 3 * MANY


@pytest.fixture
async def large(cloud: ApiServer, operator: object) -> AsyncIterator[list[ScriptedAgent]]:
    """Two nodes with room for all."""
    room = {"vcpus": 4096, "memory": 4 << 40, "disk": 100 << 40}
    async with agent(cloud, "node-1", **room) as one, agent(cloud, "node-2", **room) as two:
        await asyncio.gather(one.reported.wait(), two.reported.wait())
        yield [one, two]


def because(seen: dict[str, Body]) -> Counter[str]:
    """How many are Ready, and why the others are not."""
    ready = [wishes.condition(thing, "Ready") for thing in seen.values()]
    return Counter("Ready" if c.get("status") == "True" else c.get("reason", "") for c in ready)


async def until(it: Tenant, test: Callable[[dict[str, Body]], bool]) -> dict[str, Body]:
    """The Instances once they are so, by one watch on all; it begins where the list ends, so that no end is missed."""
    listed = await it.api.call("GET", it.path("instances"))
    seen = {item["metadata"]["name"]: item for item in listed["items"]}
    try:
        async with asyncio.timeout(SECONDS):
            if test(seen):
                return seen
            since = listed["metadata"]["resourceVersion"]
            async with aclosing(it.api._changes(it.path("instances"), since, {})) as changes:
                async for kind, thing in changes:
                    seen[thing["metadata"]["name"]] = thing
                    if kind == "DELETED":
                        del seen[thing["metadata"]["name"]]
                    if test(seen):
                        return seen
    except TimeoutError:
        pytest.fail(f"after {SECONDS} s: {because(seen)}")
    raise AssertionError


async def claims(it: Tenant, network_uid: str) -> list[Body]:
    found = (await it.api.call("GET", CLAIMS))["items"]
    return [claim["spec"] for claim in found if claim["spec"]["networkUID"] == network_uid]


def held(found: list[Body], kind: str = "Address") -> list[Body]:
    return [spec for spec in found if spec["type"] == kind and "quarantinedUntil" not in spec]


async def count(it: Tenant, ready: dict[str, Body], network_uid: str) -> None:
    """Instances, Ports and Claims tell the same story, and every address and MAC is in it once."""
    ports = (await it.api.call("GET", it.path("ports")))["items"]
    # Who lost the race for an address by a moment has made its Port already: it is there, and has no identity.
    waiting = [port for port in ports if "binding" not in port.get("status", {})]
    assert [port["status"] for port in waiting if "status" in port] == []
    assert len({port["metadata"]["ownerReferences"][0]["uid"] for port in ports}) == len(ports)
    ports = [port for port in ports if port not in waiting]
    says = {p["status"]["binding"]["instanceUID"]: p["status"] for p in ports}
    assert len(says) == len(ready)
    addresses, macs = set(), set()
    for thing in ready.values():
        (nic,) = thing["status"]["addresses"]
        status = says[thing["metadata"]["uid"]]
        assert (status["addresses"], status["macAddress"]) == ([nic["ip"]], nic["mac"])
        addresses.add(nic["ip"])
        macs.add(nic["mac"])
    assert len(addresses) == len(macs) == len(ready)
    its = held(await claims(it, network_uid))
    assert {spec["value"]: spec["holder"]["uid"] for spec in its} == {
        thing["status"]["addresses"][0]["ip"]: thing["metadata"]["uid"] for thing in ready.values()
    }
    assert len(its) == len(ready)


async def test_the_last_addresses_are_contested(user: Api, large: list[ScriptedAgent]) -> None:
    it = await tenant(user, "burst", network=False)
    room = MANY - 3 * CONTESTED
    first, last = 16, 16 + room - 1
    pool = {"start": f"10.20.0.{first}", "end": f"10.20.{last >> 8}.{last & 255}"}
    # Longer than the test may take: what rests is counted at its end.
    subnet = {"name": "v4", "cidr": "10.20.0.0/23", "pools": [pool], "reuseAfter": "2h"}
    await it.make("networks", wishes.thing("Network", "burst", "blue", {"subnets": [subnet]}))
    network = (await it.ready("blue", "networks"))["metadata"]["uid"]
    named = [
        f"10.20.0.{2 + n % CONTESTED}" if CONTESTED < 14 else f"10.20.1.{200 + n % CONTESTED}"
        for n in range(2 * CONTESTED)
    ]
    wishes_of = [{"address": address} for address in named] + [{}] * (MANY - 2 * CONTESTED)
    bodies = [
        wishes.instance(
            "burst", f"web-{n}", networks=[{"name": "eth0", "networkRef": {"name": "blue"}, **wish}]
        )
        for n, wish in enumerate(wishes_of)
    ]
    began = time.monotonic()
    await asyncio.gather(*(it.make("instances", body) for body in bodies))
    posted = time.monotonic()
    winners = MANY - 2 * CONTESTED
    seen = await until(
        it,
        lambda all_: because(all_) == Counter(Ready=winners, AddressInUse=CONTESTED, NoFreeAddress=CONTESTED),
    )
    settled = time.monotonic()
    ready = {name: thing for name, thing in seen.items() if wishes.is_ready(thing)}
    await count(it, ready, network)
    waiting = next(t for t in seen.values() if wishes.condition(t, "Ready").get("reason") == "NoFreeAddress")
    assert wishes.condition(waiting, "Ready")["message"] == (
        f"Network burst/blue has no free address ({winners} are held)"
    )
    # Those go that have a name that others want, and as many of the others: all who wait go on, by that event alone.
    asked = {name for name in ready if int(name.removeprefix("web-")) < 2 * CONTESTED}
    others = sorted(ready.keys() - asked)[:CONTESTED]
    assert len(asked) == CONTESTED
    leave = [*asked, *others]
    await asyncio.gather(*(user.call("DELETE", f"{it.path('instances')}/{name}") for name in leave))
    seen = await until(it, lambda all_: because(all_) == Counter(Ready=winners))
    went_on = time.monotonic()
    await count(it, seen, network)
    await asyncio.gather(*(user.call("DELETE", f"{it.path('instances')}/{name}") for name in seen))
    await until(it, lambda all_: not all_)
    gone = time.monotonic()
    assert (await user.call("GET", it.path("ports")))["items"] == []
    left = await claims(it, network)
    assert held(left) == []
    assert [spec["type"] for spec in held(left, "Segment")] == ["Segment"]
    assert len(left) == 1 + winners, "what is in quarantine is claimed once too"
    for one in large:
        assert one.running == set()
    await it.delete("blue", "networks")
    assert await claims(it, network) == [], "a Network takes its addresses along, resting or not"
    print(
        f"\n{MANY} creates: posted {posted - began:.1f} s, settled {settled - began:.1f} s,"
        f" went on {went_on - settled:.1f} s, deleted {gone - went_on:.1f} s"
    )


async def test_an_address_rests_before_it_is_given_to_another(user: Api, large: list[ScriptedAgent]) -> None:
    it = await tenant(user, "rests")
    await it.boot("one")
    network = (await user.call("GET", it.path("networks") + "/blue"))["metadata"]["uid"]
    await it.delete("one")
    (rests,) = [spec for spec in await claims(it, network) if spec["type"] == "Address"]
    assert rests["value"] == "10.10.0.2"
    assert rests["quarantinedUntil"]
    second = await it.boot("two")
    assert second["status"]["addresses"][0]["ip"] == "10.10.0.3"
    nic = {"name": "eth0", "networkRef": {"name": "blue"}, "address": "10.10.0.2"}
    third = await it.boot("three", networks=[nic])
    assert third["status"]["addresses"][0]["ip"] == "10.10.0.2", "who asks by name knows what they do"
    await it.make("ports", wishes.port("rests", "mine"))
    port = await it.ready("mine", "ports")
    assert port["status"]["addresses"] == ["10.10.0.4"]
    await it.delete("mine", "ports")
    await asyncio.gather(it.delete("two"), it.delete("three"))
    assert held(await claims(it, network)) == []


async def test_a_pair_with_the_gateway_is_refused_and_others_reach_the_order(
    user: Api, large: list[ScriptedAgent]
) -> None:
    it = await tenant(user, "pairs")
    for name, address, problem in (
        ("router", "10.10.0.1", "10.10.0.1 is the gateway"),
        ("wide", "10.10.0.0/25", "10.10.0.0/25 holds the gateway, 10.10.0.1"),
    ):
        body = wishes.port("pairs", name)
        body["spec"]["allowedAddressPairs"] = [{"address": address}]
        await it.make("ports", body)
        message = await it.because(name, "AddressPairInvalid", "ports")
        assert message == f"allowedAddressPairs: {problem} of Network pairs/blue"
        await it.delete(name, "ports")
    body = wishes.port("pairs", "mine")
    pairs = [{"address": "10.10.0.100"}, {"address": "10.99.0.0/16"}]
    body["spec"]["allowedAddressPairs"] = pairs
    await it.make("ports", body)
    ready = await it.boot("web", networks=[{"name": "eth0", "portRef": {"name": "mine"}}])
    (nic,) = (await it.assignment(ready["metadata"]["uid"]))["spec"]["nics"]
    assert nic["allowedAddressPairs"] == pairs
    await it.delete("web")


async def test_quarantine_ends_by_itself_whoever_began_it(user: Api, large: list[ScriptedAgent]) -> None:
    """The Claim says all: an operator that did not write it ends it just so."""
    it = await tenant(user, "ends", network=False)
    subnet = {"name": "v4", "cidr": "10.10.0.0/29", "reuseAfter": "2s"}
    await it.make("networks", wishes.thing("Network", "ends", "blue", {"subnets": [subnet]}))
    uid = (await it.ready("blue", "networks"))["metadata"]["uid"]
    until_then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    holder = {"kind": "Port", "namespace": "ends", "name": "old", "uid": "of-another-time"}
    spec = {"type": "Address", "value": "10.10.0.5", "networkUID": uid, "holder": holder}
    body = {
        "apiVersion": "orlop.dev/v1alpha1",
        "kind": "Claim",
        "spec": spec | {"quarantinedUntil": until_then},
    }
    body["metadata"] = {"name": f"{uid}-10.10.0.5", "namespace": "orlop-system"}
    await user.call("POST", CLAIMS, body)
    await it.boot("web")
    await it.delete("web")
    for address in ("10.10.0.5", "10.10.0.2"):
        await user.until(CLAIMS, f"{uid}-{address}", lambda thing: thing is None)
    assert [spec["type"] for spec in await claims(it, uid)] == ["Segment"]
