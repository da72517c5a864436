"""NICs that come and go while their guest runs, on a real API server; and an agent that is killed meanwhile."""

import asyncio
import random
from typing import Any

import pytest

from support.scripted import Api, Body
from support.simnode import SimNode, Story, order

pytestmark = pytest.mark.component


def nic(node: SimNode, name: str, number: int) -> Body:
    (first,) = order(node)["nics"]
    return first | {
        "name": name, "portName": f"web-1-{name}", "macAddress": f"02:00:10:01:00:{number:02x}",
        "addresses": [f"10.10.0.{number}"],
    }  # fmt: skip


def attached(*nics: Body) -> list[Body]:
    return [{"name": each["name"], "portName": each["portName"]} for each in nics]


def has(node: SimNode, story: Story) -> list[str]:
    """MAC addresses of the domain's NICs that have a carrier."""
    return [nic.mac for nic in node.hypervisor.domains[story.uid].nics if nic.connected]


async def test_attach_and_detach_while_the_guest_runs(operator: Api, node: SimNode):
    one, two, three = (nic(node, f"eth{n}", 10 + n) for n in range(3))
    story = Story(operator, node, nics=[one])
    async with node.agent():
        await story.bind()
        first = await story.until("Running", attachedNics=attached(one))
        await story.change(nics=[one, two, three])
        await story.until("Running", attachedNics=attached(one, two, three))
        assert has(node, story) == [each["macAddress"] for each in (one, two, three)]
        assert node.networks.prepared[story.uid] == ["eth0", "eth1", "eth2"]
        await story.change(nics=[one, three])
        status = await story.until("Running", attachedNics=attached(one, three))
        assert status["startID"] == first["startID"], "no restart"
        assert node.networks.prepared[story.uid] == ["eth0", "eth2"]
        await story.change(nics=[])
        await story.until("Running", attachedNics=[])


async def test_a_guest_that_holds_on_is_told_until_it_lets_go_or_ends(operator: Api, node: SimNode):
    one, two = (nic(node, f"eth{n}", 10 + n) for n in range(2))
    story = Story(operator, node, nics=[one, two])
    tap = node.networks.tap_name(story.uid, "eth1")
    node.hypervisor.clinging.add(tap)
    async with node.agent():
        await story.bind()
        await story.until("Running")
        await story.change(nics=[one])
        told = await story.until_condition("NetworkReady", "GuestHoldsNIC")
        assert told["message"].startswith("the guest has not released NIC eth1: ")
        assert (await story.until("Running"))["attachedNics"] == attached(one, two)
        assert node.networks.prepared[story.uid] == ["eth0", "eth1"], "its rules stay"
    async with node.agent():
        node.hypervisor.let_go_nic(story.uid, tap)
        await story.until("Running", attachedNics=attached(one))
        assert node.networks.prepared[story.uid] == ["eth0"]
        await story.change(nics=[one, two])
        await story.until("Running", attachedNics=attached(one, two))
        await story.change(nics=[one])
        await story.change(desired="Stopped")
        await story.until("Stopped", attachedNics=[])


async def test_a_stopped_instance_starts_with_what_is_listed_then(operator: Api, node: SimNode):
    one, two = (nic(node, f"eth{n}", 10 + n) for n in range(2))
    story = Story(operator, node, nics=[one])
    async with node.agent():
        await story.bind()
        await story.until("Running")
        await story.change(desired="Stopped")
        await story.until("Stopped")
        await story.change(nics=[two])
        await story.until("Stopped", attachedNics=[])
        await story.change(desired="Running")
        await story.until("Running", attachedNics=attached(two))


@pytest.mark.parametrize("call", ["prepare", "plug", "detach"])
async def test_a_network_that_fails_once(operator: Api, node: SimNode, call: str):
    one, two, three = (nic(node, f"eth{n}", 10 + n) for n in range(3))
    story = Story(operator, node, nics=[one, two])
    async with node.agent():
        await story.bind()
        first = await story.until("Running")
        node.networks.fail.add(call)
        await story.change(nics=[one, three])
        status = await story.until("Running", attachedNics=attached(one, three))
        assert status["startID"] == first["startID"]
        async with asyncio.timeout(10):  # the domain has it from before it has a carrier
            while has(node, story) != [one["macAddress"], three["macAddress"]]:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("seed", range(3))
async def test_an_agent_killed_at_any_moment_converges(operator: Api, node: SimNode, seed: int):
    dice = random.Random(seed)
    wishes = [nic(node, f"eth{n}", 10 + n) for n in range(4)]
    story = Story(operator, node, nics=wishes[:1])
    async with node.agent():
        await story.bind()
        first = await story.until("Running")
    wanted: list[Any] = []
    for _ in range(20):
        async with node.agent():
            wanted = wishes[:1] + dice.sample(wishes[1:], dice.randrange(4))
            if dice.random() < 0.3:
                call = dice.choice(["attach_nic", "detach_nic", "connect_nic", "lookup"])
                getattr(node.hypervisor, dice.choice(["fail_before", "fail_after"])).add(call)
            if dice.random() < 0.2:
                node.networks.fail.add(dice.choice(["prepare", "plug", "detach"]))
            await story.change(nics=wanted)
            await asyncio.sleep(dice.random() * 0.15)
    for fails in (node.hypervisor.fail_before, node.hypervisor.fail_after, node.networks.fail):
        fails.clear()
    async with node.agent():
        ends = attached(*sorted(wanted, key=lambda each: each["name"]))
        status = await story.until("Running", attachedNics=ends)
        assert status["startID"] == first["startID"], "no restart"
        assert sorted(has(node, story)) == sorted(each["macAddress"] for each in wanted)
        assert has(node, story)[0] == wishes[0]["macAddress"]
        names = sorted(each["name"] for each in wanted)
        assert sorted(node.networks.prepared[story.uid]) == names
        assert node.hypervisor.taps == {node.networks.tap_name(story.uid, name) for name in names}
