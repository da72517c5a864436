"""Quotas on a real API server: never over, nobody forgotten, and what waits says why and goes on by itself.

`ORLOP_CROWD_OF_QUOTA=20` makes the crowd a tenth of what the issue asks for.
"""

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, aclosing
from signal import SIGCONT, SIGSTOP
from subprocess import Popen
from typing import Any

import pytest
from aiohttp import ClientPayloadError

from orlop_api.quantity import from_bytes
from support import wishes
from support.apiserver import ApiServer
from support.audit import calls
from support.cloud import Start
from support.prepared import Tenant, tenant
from support.scripted import Api, ScriptedAgent, agent

pytestmark = [pytest.mark.component, pytest.mark.timeout(900)]

Body = dict[str, Any]
Agents = dict[str, ScriptedAgent]
MANY = int(os.environ.get("ORLOP_CROWD_OF_QUOTA", "200"))


def quota(namespace: str, stopped: str = "Counted", **limits: Any) -> Body:
    spec = {"limits": limits, "stoppedInstances": stopped}
    return wishes.thing("Quota", namespace, "default", spec, finalizer=False)


async def used(it: Tenant) -> Body:
    found: Body = (await it.api.call("GET", it.path("quotas") + "/default"))["status"]["used"]
    return found


async def until_used(it: Tenant, **amounts: Any) -> None:
    await it.api.until(
        it.path("quotas"),
        "default",
        lambda thing: amounts.items() <= (thing or {}).get("status", {}).get("used", {}).items(),
    )


@pytest.fixture
async def large(cloud: ApiServer, operator: object) -> AsyncIterator[list[ScriptedAgent]]:
    """Two nodes with room for all."""
    room = {"vcpus": 4096, "memory": 4 << 40, "disk": 100 << 40}
    async with agent(cloud, "node-1", **room) as one, agent(cloud, "node-2", **room) as two:
        await asyncio.gather(one.reported.wait(), two.reported.wait())
        yield [one, two]


class Crowd:
    """All Instances of a namespace by one watch, and the most that were ever placed at once."""

    def __init__(self, it: Tenant, nodes: list[ScriptedAgent]) -> None:
        self._it, self._nodes = it, nodes
        self.most = 0

    async def until(self, test: Callable[[Counter[str]], bool], seconds: float = 240) -> dict[str, Body]:
        """The Instances once their reasons are so."""
        seen: dict[str, Body] = {}
        try:
            async with asyncio.timeout(seconds):
                while True:
                    with contextlib.suppress(ClientPayloadError):
                        # A watch that the API server ends, as it may at any time, begins anew with a list.
                        async for seen in self._states():
                            if test(self._reasons(seen)):
                                return seen
        except TimeoutError:
            pytest.fail(f"after {seconds} s: {self._reasons(seen)}, {await used(self._it)} used")

    async def _states(self) -> AsyncIterator[dict[str, Body]]:
        path = self._it.path("instances")
        listed = await self._it.api.call("GET", path)
        seen = {item["metadata"]["name"]: item for item in listed["items"]}
        yield seen
        async with aclosing(
            self._it.api._changes(path, listed["metadata"]["resourceVersion"], {})
        ) as changes:
            async for kind, thing in changes:
                seen[thing["metadata"]["name"]] = thing
                if kind == "DELETED":
                    del seen[thing["metadata"]["name"]]
                yield seen

    def _reasons(self, seen: dict[str, Body]) -> Counter[str]:
        self.most = max(self.most, sum(len(node.running) for node in self._nodes))
        ready = [wishes.condition(thing, "Ready") for thing in seen.values()]
        return Counter("Ready" if c.get("status") == "True" else c.get("reason", "") for c in ready)


async def test_a_crowd_gets_what_the_quota_allows_and_not_one_more(
    user: Api, large: list[ScriptedAgent], cloud: ApiServer
) -> None:
    """200 creates at once against a Quota for 50: 50 run, 150 say why; 10 are deleted, and 10 more run."""
    it = await tenant(user, "crowd", network=False)
    await it.make("networks", wishes.network("crowd", cidr="10.10.0.0/22"))
    allowed, leave = MANY // 4, MANY // 20
    await it.make("quotas", quota("crowd", instances=allowed, vcpus=MANY, memory="1Ti"))
    names = [f"web-{n}" for n in range(MANY)]
    crowd = Crowd(it, large)
    await asyncio.gather(*(it.make("instances", wishes.instance("crowd", name)) for name in names))
    wanted = Counter(Ready=allowed, QuotaExceeded=MANY - allowed)
    seen = await crowd.until(lambda reasons: reasons == wanted)
    waiting = [thing for thing in seen.values() if not wishes.is_ready(thing)]
    said = f"Quota default: {allowed} of {allowed} instances used, 1 asked"
    for thing in waiting:
        condition = wishes.condition(thing, "QuotaReserved")
        assert (condition["status"], condition["message"]) == ("False", said)
        assert wishes.condition(thing, "Ready")["message"] == said
        assert await it.left_of(thing["metadata"]["uid"]) == [], "who waits holds nothing"
    counted = {"instances": allowed, "vcpus": allowed, "memory": from_bytes(allowed << 29), "ports": allowed}
    assert counted.items() <= (await used(it)).items()
    runs = {name for name, thing in seen.items() if wishes.is_ready(thing)}
    going = sorted(runs)[:leave]
    await asyncio.gather(*(user.call("DELETE", f"{it.path('instances')}/{name}") for name in going))
    wanted = Counter(Ready=allowed, QuotaExceeded=MANY - allowed - leave)
    seen = await crowd.until(lambda reasons: reasons == wanted)
    later = {name for name, thing in seen.items() if wishes.is_ready(thing)} - runs
    assert len(later) == leave
    age = {thing["metadata"]["name"]: (thing["metadata"]["creationTimestamp"], thing["metadata"]["name"])
           for thing in waiting}  # fmt: skip
    assert later == set(sorted(age, key=lambda name: age[name])[:leave]), "the oldest come first"
    assert sum(len(node.running) for node in large) == allowed
    assert crowd.most <= allowed
    found = [
        call
        for call in calls((cloud.directory / "audit.log").read_text())
        if call.namespace == "crowd" and call.resource == "quotas"
    ]
    writes = [call for call in found if call.what == "patch quotas/status"]
    print(f"\n{len(writes)} writes of the Quota for {MANY} creates and {leave} deletes")
    assert len(writes) < MANY
    await asyncio.gather(*(user.call("DELETE", f"{it.path('instances')}/{name}") for name in seen))
    await crowd.until(lambda reasons: not reasons)
    await until_used(it, instances=0, vcpus=0, memory="0")


LEASES = "/apis/coordination.k8s.io/v1/namespaces/orlop-system/leases"


async def handed_over(user: Api, by: str) -> str:
    """Who leads after this one: as if its Lease had lapsed, which takes fifteen seconds."""
    await user.call("PATCH", f"{LEASES}/orlop-operator", {"spec": {"holderIdentity": ""}})
    lease = await user.until(
        LEASES, "orlop-operator", lambda t: (t or {})["spec"].get("holderIdentity") not in {None, "", by}
    )
    assert lease is not None
    holder: str = lease["spec"]["holderIdentity"]
    return holder


async def test_the_active_replica_is_killed_while_a_crowd_asks(
    user: Api, large: list[ScriptedAgent], operator: Popen[bytes], start: Start
) -> None:
    """One stops and goes on later with what it knew, the next one is killed: never over, and nobody is forgotten."""
    it = await tenant(user, "killed")
    await it.make("quotas", quota("killed", instances=8, vcpus=100))
    crowd = Crowd(it, large)
    with ExitStack() as stack:
        replicas = {name: stack.enter_context(start(name)) for name in ("second", "third")}
        replicas["one"] = operator
        lease = await user.call("GET", f"{LEASES}/orlop-operator")
        first = lease["spec"]["holderIdentity"]
        names = [f"web-{n:02}" for n in range(32)]
        await asyncio.gather(*(it.make("instances", wishes.instance("killed", name)) for name in names[:16]))
        replicas[first].send_signal(SIGSTOP)
        try:
            second = await handed_over(user, first)
            await it.delete("web-00")
            await asyncio.gather(
                *(it.make("instances", wishes.instance("killed", name)) for name in names[16:])
            )
            replicas[second].kill()
            await user.call("DELETE", f"{it.path('instances')}/web-01")
        finally:
            replicas[first].send_signal(SIGCONT)
        await handed_over(user, second)
        seen = await crowd.until(lambda reasons: reasons == Counter(Ready=8, QuotaExceeded=22))
        running = {name for name, thing in seen.items() if wishes.is_ready(thing)}
        going = sorted(running)[:4]
        await asyncio.gather(*(user.call("DELETE", f"{it.path('instances')}/{name}") for name in going))
        seen = await crowd.until(lambda reasons: reasons == Counter(Ready=8, QuotaExceeded=18))
        assert crowd.most <= 8
        assert {"instances": 8, "vcpus": 8, "ports": 8}.items() <= (await used(it)).items()
        await asyncio.gather(*(user.call("DELETE", f"{it.path('instances')}/{name}") for name in seen))
        await crowd.until(lambda reasons: not reasons)
        await until_used(it, instances=0, vcpus=0, ports=0)


async def over(it: Tenant, name: str) -> str:
    return await it.because(name, "QuotaExceeded", kind="QuotaReserved")


async def limit(it: Tenant, **limits: Any) -> None:
    await it.api.call("PATCH", it.path("quotas") + "/default", {"spec": {"limits": limits}})


async def test_limits_change_under_what_runs(user: Api, agents: Agents) -> None:
    it = await tenant(user, "quota-limits")
    await asyncio.gather(it.boot("one"), it.boot("two"))
    # What was there before counts, whatever the limit.
    await it.make("quotas", quota("quota-limits", vcpus=1))
    found = await it.ready("default", "quotas")
    assert wishes.condition(found, "Ready")["message"] == (
        "2 of 1 vcpus used: that goes on, and nothing more begins"
    )
    one = await user.until(
        it.path("instances"), "one", lambda t: wishes.is_because(t, "QuotaReserved", "Reserved")
    )
    assert wishes.is_ready(one)
    await it.make(
        "flavors", wishes.flavor("quota-wide") | {"spec": {"vcpus": 4, "memory": "1Gi", "rootDisk": "5Gi"}}
    )
    await it.make("instances", wishes.instance("quota-limits", "quota-wide", flavorName="quota-wide"))
    assert await over(it, "quota-wide") == "Quota default: 2 of 1 vcpus used, 4 asked: more than there can be"
    await it.make("instances", wishes.instance("quota-limits", "young"))
    assert await over(it, "young") == "Quota default: 2 of 1 vcpus used, 1 asked", (
        "nobody waits for what cannot be"
    )
    await limit(it, vcpus=5)
    wide = "Quota default: 2 of 5 vcpus used, 4 asked"
    await user.until(
        it.path("instances"), "quota-wide", lambda t: wishes.condition(t, "QuotaReserved")["message"] == wide
    )
    later = "Quota default: 2 of 5 vcpus used, 1 asked; Instance quota-wide is older and waits for more than is left"
    await user.until(
        it.path("instances"), "young", lambda t: wishes.condition(t, "QuotaReserved")["message"] == later
    )
    await it.delete("one")
    await it.ready("quota-wide")
    assert await over(it, "young") == "Quota default: 5 of 5 vcpus used, 1 asked"
    await user.call("DELETE", it.path("quotas") + "/default")
    young = await it.ready("young")
    assert wishes.condition(young, "QuotaReserved")["reason"] == "NoQuota"
    await asyncio.gather(*(it.delete(name) for name in ("two", "young", "quota-wide")))


async def test_a_stop_frees_and_a_start_waits_where_the_quota_says_so(user: Api, agents: Agents) -> None:
    it = await tenant(user, "stops")
    await it.make("quotas", quota("stops", "Free", instances=3, vcpus=1))
    one = await it.boot("one")
    await it.make("instances", wishes.instance("stops", "two"))
    await over(it, "two")
    await it.change("one", powerState="Stopped")
    await it.ready("two")
    await it.change("one", powerState="Running")
    assert await over(it, "one") == "Quota default: 1 of 1 vcpus used, 1 asked"
    assert one["metadata"]["uid"] not in agents["node-1"].running | agents["node-2"].running
    assert {"instances": 2, "vcpus": 1, "memory": "512Mi", "ports": 2}.items() <= (await used(it)).items()
    await it.delete("two")
    assert (await it.ready("one"))["status"]["powerState"] == "Running"
    order = await it.assignment(one["metadata"]["uid"])
    assert (order["spec"]["epoch"], order["spec"]["reservation"]) == (1, 1), (
        "on its node, by a new reservation"
    )
    # One that waits and is stopped waits no more; one that has a reservation and never ran gives it back.
    await it.make("instances", wishes.instance("stops", "young"))
    await over(it, "young")
    await it.change("young", powerState="Stopped")
    young = wishes.condition(await it.ready("young"), "QuotaReserved")
    assert young["message"] == "Quota default: 1 instances, 1 ports"
    await it.change("one", powerState="Stopped")
    await until_used(it, instances=2, vcpus=0)
    await limit(it, vcpus=None)
    await it.make("instances", wishes.instance("stops", "lost", networks=[
        {"name": "eth0", "networkRef": {"name": "nowhere"}}]))  # fmt: skip
    await until_used(it, instances=3, vcpus=1)
    await it.change("lost", powerState="Stopped")
    await until_used(it, instances=3, vcpus=0)
    await asyncio.gather(*(it.delete(name) for name in ("one", "young", "lost")))
    await until_used(it, instances=0, vcpus=0, memory="0")
