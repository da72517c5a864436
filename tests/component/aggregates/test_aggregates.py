"""Aggregates among simulated nodes, whose agents are the real ones: from a ratio to where Instances fit."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support import wishes
from support.prepared import Tenant, tenant
from support.scripted import ORLOP, Api, Body

pytestmark = pytest.mark.component

_NUMBERS = itertools.count(1)
LABEL = "example.com/aggregate-test"
HYPERVISORS, AGGREGATES = f"{ORLOP}/hypervisors", f"{ORLOP}/aggregates"
FOUR = {"vcpus": 4, "memory": "512Mi", "rootDisk": "1Gi"}


async def label(user: Api, node: str, value: str | None) -> None:
    await user.call("PATCH", f"/api/v1/nodes/{node}", {"metadata": {"labels": {LABEL: value}}})


async def vcpus(user: Api, node: str, number: int) -> None:
    """Once the node gives so many."""
    await user.until(HYPERVISORS, node, lambda thing: (thing or {})["status"]["capacity"]["vcpus"] == number)


def aggregate(name: str, value: str, **overcommit: str) -> Body:
    spec = {"nodeSelector": {LABEL: value}, "overcommit": overcommit}
    return wishes.thing("Aggregate", "", name, spec, finalizer=False)


@pytest.fixture
async def it(user: Api) -> AsyncIterator[Tenant]:
    nodes = [f"sim-{number:04}" for number in (1, 2)]
    made = await tenant(user, f"aggregated-{next(_NUMBERS)}")
    for node in nodes:
        await label(user, node, "a")
    try:
        yield made
    finally:
        instances = await user.call("GET", made.path("instances"))
        for instance in instances["items"]:
            await made.delete(instance["metadata"]["name"])
        for node in nodes:
            await label(user, node, None)
            scheduling: dict[str, Any] = {"spec": {"scheduling": None}}
            await user.call("PATCH", f"{HYPERVISORS}/{node}", scheduling)
        for each in (await user.call("GET", AGGREGATES))["items"]:
            await user.call("DELETE", f"{AGGREGATES}/{each['metadata']['name']}")
        for node in nodes:
            await vcpus(user, node, 8)


async def members(user: Api, name: str, *nodes: str) -> None:
    await user.until(
        AGGREGATES, name, lambda thing: (thing or {}).get("status", {}).get("hypervisors") == list(nodes)
    )


async def test_who_waits_for_an_aggregate_is_placed_once_it_is_there(it: Tenant, user: Api) -> None:
    placement = {"aggregates": ["aggregated-gold"]}
    await it.make("instances", wishes.instance(it.namespace, "waits", placement=placement))
    message = await it.because("waits", "Unschedulable", kind="Scheduled")
    assert message == "0/3 hypervisors: 3 Aggregate aggregated-gold does not exist"
    await user.call("POST", AGGREGATES, aggregate("aggregated-gold", "b"))
    await members(user, "aggregated-gold")
    said = "0/3 hypervisors: 3 not in Aggregate aggregated-gold"
    path = it.path("instances")
    await user.until(path, "waits", lambda t: wishes.condition(t, "Scheduled").get("message") == said)
    await label(user, "sim-0002", "b")
    assert (await it.ready("waits"))["status"]["nodeName"] == "sim-0002"
    await members(user, "aggregated-gold", "sim-0002")
    assert (await it.boot("too", placement=placement))["status"]["nodeName"] == "sim-0002"


async def test_ratios_are_in_force_at_once_and_end_nothing(it: Tenant, user: Api) -> None:
    await user.call("POST", AGGREGATES, aggregate("aggregated-dense", "a", vcpus="2"))
    for node in ("sim-0001", "sim-0002"):
        await vcpus(user, node, 16)
    await members(user, "aggregated-dense", "sim-0001", "sim-0002")
    flavor = wishes.thing(
        "Flavor", "", "aggregated-four", FOUR | {"aggregates": ["aggregated-dense"]}, finalizer=False
    )
    await user.call("POST", f"{ORLOP}/flavors", flavor)
    # The node's own word comes before that of the Aggregate: 8 vCPUs here, 16 there.
    own = {"spec": {"scheduling": {"overcommit": {"vcpus": "1"}}}}
    await user.call("PATCH", f"{HYPERVISORS}/sim-0001", own)
    await vcpus(user, "sim-0001", 8)
    where = [
        (await it.boot(f"dense-{number}", flavorName="aggregated-four"))["status"]["nodeName"]
        for number in range(6)
    ]
    assert sorted(where) == ["sim-0001"] * 2 + ["sim-0002"] * 4
    await it.make("instances", wishes.instance(it.namespace, "more", flavorName="aggregated-four"))
    message = await it.because("more", "Unschedulable", kind="Scheduled")
    assert message == (
        "0/3 hypervisors: 2 not enough vCPUs (need 4, most free 0 on sim-0001), 1 not in Aggregate aggregated-dense"
    )
    # Of two Aggregates the lower ratio holds; what runs stays, though it is more.
    await user.call("POST", AGGREGATES, aggregate("aggregated-thin", "a", vcpus="0.5"))
    await vcpus(user, "sim-0002", 4)
    found = (await user.call("GET", it.path("instances")))["items"]
    assert sum(wishes.is_ready(each) for each in found) == 6
    # One ends, and still there is no room; once the ratio is taken back there is.
    await it.delete(f"dense-{where.index('sim-0002')}")
    await it.because("more", "Unschedulable", kind="Scheduled")
    await user.call("DELETE", f"{AGGREGATES}/aggregated-thin")
    assert (await it.ready("more"))["status"]["nodeName"] == "sim-0002"
