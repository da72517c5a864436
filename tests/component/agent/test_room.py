"""Whoever has no room yet gets it by the agent's own look at what is left, whatever was answered before that."""

import asyncio

import pytest

from orlop_agent import inventory
from orlop_agent import node as facts
from orlop_agent.hypervisor import Domain, HypervisorError, Power
from support.scripted import ORLOP, Api
from support.simnode import SimNode, Story

pytestmark = pytest.mark.component
HYPERVISORS = f"{ORLOP}/hypervisors"


def full(operator: Api, node: SimNode) -> Story:
    """An order for every vCPU of the node."""
    has = facts.capacity(node.config.node, node.layout.data)
    return Story(operator, node, vcpus=int(has.vcpus * node.config.node.vcpu_ratio))


async def unanswered(_instance_uid: str) -> Domain | None:
    raise HypervisorError("libvirtd is being restarted")


async def come_back_too_late(story: Story, other: Story) -> None:
    """Bound anew, with its data here, when another has its room."""
    await story.bind()
    await story.until("Running")
    await story.change(desired="Released")
    await story.until("Released")
    await other.bind()
    await other.until("Running")
    await story.bind(epoch=2)


async def test_trouble_that_came_first_gives_no_room(
    operator: Api, node: SimNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = full(operator, node), Story(operator, node)
    async with node.agent():
        await first.bind()
        await first.until("Running")
        with monkeypatch.context() as down:
            down.setattr(node.hypervisor, "lookup", unanswered)
            await second.bind()
            assert (await second.until("Failed"))["reason"] == "HypervisorUnavailable"
        assert (await second.until("Refused"))["reason"] == "NoRoom"
        assert node.hypervisor.domains.keys() == {first.uid}


async def test_a_node_that_grew_takes_who_waited(
    operator: Api, node: SimNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "RENEW_SECONDS", 0.1)
    first, second = full(operator, node), full(operator, node)
    body = {"apiVersion": "orlop.dev/v1alpha1", "kind": "Hypervisor", "metadata": {"name": node.name}}
    await operator.call("POST", HYPERVISORS, {**body, "spec": {}})
    async with node.agent():
        await come_back_too_late(second, first)
        assert (await second.until("Failed"))["reason"] == "NoRoom"
        has = facts.capacity(node.config.node, node.layout.data)
        more = has.model_copy(update={"vcpus": 2 * has.vcpus})
        monkeypatch.setattr(facts, "capacity", lambda *_: more)
        await second.until("Running")
        given = int(more.vcpus * node.config.node.vcpu_ratio)
        found = await operator.until(
            HYPERVISORS, node.name, lambda thing: (thing or {})["status"]["capacity"]["vcpus"] == given
        )
        assert found is not None


async def test_data_waits_for_room_also_beyond_a_restart_of_the_agent(operator: Api, node: SimNode) -> None:
    first, second = full(operator, node), full(operator, node)
    async with node.agent():
        await come_back_too_late(second, first)
        assert (await second.until("Failed", rootDisk="Created"))["reason"] == "NoRoom"
        # Another look, with the answer known.
        await second.change(restartedAt="now")
        assert (await second.until("Failed"))["reason"] == "NoRoom"
    async with node.agent() as agent:
        while second.uid not in agent._workers or not agent._workers[second.uid].short_of_room:
            await asyncio.sleep(0.02)
        assert node.hypervisor.domains.keys() == {first.uid}
        await first.change(desired="Released")
        await second.until("Running")


async def test_who_was_given_room_keeps_it_stopped_and_beyond_a_restart_of_the_agent(
    operator: Api, node: SimNode
) -> None:
    first, second = full(operator, node), Story(operator, node)
    async with node.agent():
        await first.bind()
        await first.until("Running")
        await first.change(desired="Stopped")
        await first.until("Stopped")
    async with node.agent():
        await second.bind()
        assert (await second.until("Refused"))["reason"] == "NoRoom"
        await first.change(desired="Running")
        await first.until("Running")
        assert node.hypervisor.domains[first.uid].power is Power.RUNNING
