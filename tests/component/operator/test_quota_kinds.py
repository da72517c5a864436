"""What beside Instances a Quota limits, on a real API server: it waits, says why, and goes on when there is room."""

import asyncio
from typing import Any

import pytest

from component.operator.test_floating_ips import external, floating
from component.operator.test_quota import limit, quota, until_used
from support import wishes
from support.prepared import Tenant, tenant
from support.scripted import Api, Body, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]


def mount(name: str) -> list[Body]:
    return [{"name": name, "volumeRef": {"name": name}}]


async def waits(it: Tenant, plural: str, name: str) -> str:
    """Ready and QuotaReserved say the same."""
    said = await it.because(name, "QuotaExceeded", plural)
    found = await it.api.call("GET", f"{it.path(plural)}/{name}")
    reserved = wishes.condition(found, "QuotaReserved")
    assert (reserved["status"], reserved["reason"], reserved["message"]) == ("False", "QuotaExceeded", said)
    return said


async def goes_on(it: Tenant, plural: str, name: str) -> Body:
    ready = await it.ready(name, plural)
    assert wishes.condition(ready, "QuotaReserved") == {}
    return ready


async def test_volumes_and_snapshots_wait_for_room_and_only_what_is_reserved_is_made(
    user: Api, agents: Agents
) -> None:
    it = await tenant(user, "quota-volumes")
    await it.make("quotas", quota("quota-volumes", volumes=2, storage="4Gi", volumeSnapshots=1))
    await it.make("volumes", wishes.volume("quota-volumes", "one", size="2Gi"))
    await it.because("one", "WaitForFirstInstance", "volumes")
    await it.make("volumes", wishes.volume("quota-volumes", "wide", size="3Gi"))
    said = "Quota default: 2Gi of 4Gi of storage used, 3Gi asked"
    assert await waits(it, "volumes", "wide") == said
    await it.make("instances", wishes.instance("quota-volumes", "web", volumes=mount("wide")))
    assert await it.because("web", "QuotaExceeded") == f"Volume quota-volumes/wide waits: {said}"
    await limit(it, storage="5Gi")
    await it.ready("web")
    await goes_on(it, "volumes", "wide")
    await until_used(it, volumes=2, storage="5Gi")
    await it.make("volumes", wishes.volume("quota-volumes", "third", size="1Mi"))
    assert await waits(it, "volumes", "third") == (
        "Quota default: 2 of 2 volumes used, 1 asked; 5Gi of 5Gi of storage used, 1Mi asked"
    )
    await it.delete("one", "volumes")
    await it.because("third", "WaitForFirstInstance", "volumes")
    await it.delete("third", "volumes")
    await until_used(it, volumes=1, storage="3Gi")

    # A VolumeSnapshot is as large as its Volume.
    await it.make("volumesnapshots", wishes.snapshot("quota-volumes", "early", "wide"))
    assert await waits(it, "volumesnapshots", "early") == (
        "Quota default: 3Gi of 5Gi of storage used, 3Gi asked"
    )
    await limit(it, storage="6Gi")
    await goes_on(it, "volumesnapshots", "early")
    await it.make("volumesnapshots", wishes.snapshot("quota-volumes", "late", "wide"))
    assert await waits(it, "volumesnapshots", "late") == (
        "Quota default: 1 of 1 volumeSnapshots used, 1 asked; 6Gi of 6Gi of storage used, 3Gi asked"
    )
    await it.delete("early", "volumesnapshots")
    await goes_on(it, "volumesnapshots", "late")
    await until_used(it, volumes=1, storage="6Gi", volumeSnapshots=1)
    await it.delete("late", "volumesnapshots")
    await it.delete("web")
    await it.delete("wide", "volumes")
    await until_used(it, volumes=0, storage="0", volumeSnapshots=0)


async def test_a_volume_grows_as_far_as_the_quota_goes(user: Api, agents: Agents) -> None:
    it = await tenant(user, "quota-growth")
    await it.make("volumes", wishes.volume("quota-growth", "data", size="1Gi"))
    web = await it.boot("web", volumes=mount("data"))
    await it.ready("data", "volumes")
    # What is there counts, above the limit too.
    await it.make("quotas", quota("quota-growth", storage="512Mi"))
    await until_used(it, volumes=1, storage="1Gi")
    await it.change("data", "volumes", size="3Gi")
    message = "Quota default: 1Gi of 512Mi of storage used, 2Gi asked: more than there can be"

    async def stays(size: int, why: str) -> None:
        data = await user.until(
            it.path("volumes"), "data", lambda t: wishes.is_because(t, "QuotaReserved", "QuotaExceeded")
            and wishes.condition(t, "QuotaReserved")["message"] == why
        )  # fmt: skip
        assert data is not None
        assert wishes.condition(data, "Ready")["status"] == "True", "its data is there"
        assert wishes.condition(data, "Resizing")["message"].endswith(f"once there is room: {why}")
        [listed] = (await it.assignment(web["metadata"]["uid"]))["spec"]["volumes"]
        assert (listed["sizeBytes"], data["status"]["capacityBytes"]) == (size, size)

    await stays(1 << 30, message)
    await limit(it, storage="3Gi")
    grown = await user.until(it.path("volumes"), "data", lambda t: not wishes.condition(t, "Resizing"))
    assert grown is not None
    assert grown["status"]["capacityBytes"] == 3 << 30
    assert wishes.condition(grown, "QuotaReserved") == {}
    # Nobody has it: the node grows it as far as is reserved.
    await it.delete("web")
    await it.change("data", "volumes", size="4Gi")
    assert (await it.because("data", "QuotaExceeded", "volumes", "Resizing")).startswith(
        "3Gi grow to 4Gi once"
    )
    await limit(it, storage=None)
    grown = await user.until(it.path("volumes"), "data", lambda t: not wishes.condition(t, "Resizing"))
    assert grown is not None
    assert grown["status"]["capacityBytes"] == 4 << 30
    await it.delete("data", "volumes")


async def test_ports_count_those_of_nics_too(user: Api, agents: Agents) -> None:
    it = await tenant(user, "quota-ports")
    await it.make("quotas", quota("quota-ports", ports=2))
    web = await it.boot("web")
    await it.make("ports", wishes.port("quota-ports", "own"))
    await it.ready("own", "ports")
    await until_used(it, ports=2)
    await it.make("ports", wishes.port("quota-ports", "more"))
    said = "Quota default: 2 of 2 ports used, 1 asked"
    assert await waits(it, "ports", "more") == said
    more = await user.call("GET", f"{it.path('ports')}/more")
    assert await it.left_of(more["metadata"]["uid"]) == [f"{it.path('ports')} more"], (
        "who waits holds nothing"
    )
    await it.make("instances", wishes.instance("quota-ports", "late"))
    late = f"{said}; Port more is older and waits for more than is left"
    assert await it.because("late", "QuotaExceeded", kind="QuotaReserved") in {said, late}
    await it.delete("late")

    # A NIC more is a Port more: the guest runs on without it.
    nics = [{"name": name, "networkRef": {"name": "blue"}} for name in ("eth0", "eth1")]
    await it.change("web", networks=nics)
    assert (await it.because("web", "QuotaExceeded", kind="QuotaReserved")).startswith(said)
    uid = web["metadata"]["uid"]
    assert [nic["name"] for nic in (await it.assignment(uid))["spec"]["nics"]] == ["eth0"]
    assert uid in agents["node-1"].running | agents["node-2"].running
    await it.delete("more", "ports")
    await limit(it, ports=3)
    await it.ready("web")
    assert len((await it.assignment(uid))["spec"]["nics"]) == 2
    await until_used(it, ports=3)

    # A NIC less gives its Port back, to whoever waits.
    await it.make("ports", wishes.port("quota-ports", "next"))
    await waits(it, "ports", "next")
    await it.change("web", networks=nics[:1])
    await goes_on(it, "ports", "next")
    assert (await it.because("web", "Reserved", kind="QuotaReserved")).endswith(", 1 ports")
    await until_used(it, ports=3)
    # And NICs that bring a Port of their own count as that.
    await it.boot("guest", networks=[{"name": "eth0", "portRef": {"name": "own"}}])
    await asyncio.gather(it.delete("guest"), it.delete("web"))
    await it.delete("own", "ports")
    await it.delete("next", "ports")
    await until_used(it, ports=0)


async def test_floating_addresses_and_images_wait_for_room(user: Api, agents: Agents) -> None:
    it = await tenant(user, "quota-others", image=False, network=False)
    await it.make("networks", external("quota-others"))
    await it.ready("public", "networks")
    await it.make("quotas", quota("quota-others", floatingIPs=1, images=1))
    cases: list[tuple[str, Any, str]] = [
        ("floatingips", floating, "1 of 1 floatingIPs used, 1 asked"),
        ("images", wishes.image, "1 of 1 images used, 1 asked"),
    ]
    for plural, made, said in cases:
        await it.make(plural, made("quota-others", "one"))
        await it.ready("one", plural)
        await it.make(plural, made("quota-others", "two"))
        assert await waits(it, plural, "two") == f"Quota default: {said}"
        two = await user.call("GET", f"{it.path(plural)}/two")
        assert await it.left_of(two["metadata"]["uid"]) == []
        await it.delete("one", plural)
        await goes_on(it, plural, "two")
    await until_used(it, floatingIPs=1, images=1)
    # Without a Quota nobody waits, and what was reserved is forgotten.
    await it.make("floatingips", floating("quota-others", "three"))
    await waits(it, "floatingips", "three")
    await user.call("DELETE", it.path("quotas") + "/default")
    await goes_on(it, "floatingips", "three")
    await it.make("quotas", quota("quota-others", floatingIPs=1))
    await until_used(it, floatingIPs=2, images=1)
    found = await it.ready("default", "quotas")
    assert wishes.condition(found, "Ready")["reason"] == "OverLimit"
    for name in ("two", "three"):
        await it.delete(name, "floatingips")
