"""What goes wrong on a node, and that neither a disk nor a neighbour pays for it."""

import asyncio
from typing import Any

import pytest

from orlop_agent.hypervisor import EndReason, Power
from orlop_agent.journal import Journal
from support.scripted import Api
from support.simnode import SimNode, Story

pytestmark = pytest.mark.component


async def test_a_lost_root_disk_is_told_and_not_made_anew(operator: Api, node: SimNode):
    story = Story(operator, node)
    disk = node.layout.root_disk(story.uid)
    async with node.agent() as agent:
        await story.bind()
        await story.until("Running")
        await story.change(desired="Stopped")
        await story.until("Stopped")
        aside = disk.rename(disk.with_name("aside"))
        await story.change(desired="Running")
        status = await story.until("Failed", rootDisk="Created")
        assert status["reason"] == "DiskLost"
        assert "demo/web-1" in status["message"]
        assert str(node.layout.data) not in status["message"]
        await asyncio.sleep(0.3)
        assert not disk.exists()
        assert not node.hypervisor.domains
        aside.rename(disk)
        agent.wake(story.uid)
        await story.until("Running")


async def test_a_stop_that_is_taken_back_leaves_the_next_its_time(operator: Api, node: SimNode):
    story = Story(operator, node, stopPolicy={"mode": "TrySoft", "timeoutSeconds": 60})
    node.hypervisor.deaf.add(story.uid)
    async with node.agent() as agent:
        await story.bind()
        await story.until("Running")
        for _ in range(2):
            node.hypervisor.calls.clear()
            await story.change(desired="Stopped")
            while ("shutdown", story.uid) not in node.hypervisor.calls:
                await asyncio.sleep(0.02)
            deadline = agent._workers[story.uid].memory.power_off_at
            await story.change(desired="Running")
            await story.until("Running")
            assert deadline is not None
            assert agent._workers[story.uid].memory.power_off_at is None
        assert ("destroy", story.uid) not in node.hypervisor.calls
        # What the guest was asked, it may still do; it is wanted, so it is started again.
        node.hypervisor.end(story.uid, EndReason.SHUTDOWN)
        while story.uid not in node.hypervisor.domains:
            await asyncio.sleep(0.02)


async def test_a_resume_without_an_answer_is_journaled_when_its_guest_runs(operator: Api, node: SimNode):
    node.hypervisor.fail_after.add("resume")
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        status = await story.until("Running")
        record = Journal(node.layout.journal).read(story.uid)
        assert record is not None
        assert record.ran == status["startID"]


async def test_taps_that_are_gone_cost_a_start_and_no_more(operator: Api, node: SimNode):
    node.networks.fail.add("plug")
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        assert (await story.until("Failed"))["reason"] == "Broken"
        await story.until("Running")
        calls = [call for call, _ in node.hypervisor.calls]
        assert calls.count("create_paused") == 2
        assert calls.index("destroy") < calls.index("resume")


async def test_a_damaged_journal_is_told_and_concerns_nobody_else(operator: Api, node: SimNode):
    stories = [Story(operator, node) for _ in range(2)]
    lost, other = stories
    async with node.agent():
        for story in stories:
            await story.bind()
            await story.until("Running")
        await lost.change(desired="Stopped")
        await lost.until("Stopped")
    (node.layout.journal / f"{lost.uid}.json").write_text("{")
    node.networks.resynced.clear()
    async with node.agent():
        await lost.change(desired="Running")
        status = await lost.until("Failed", rootDisk="Created")
        assert status["reason"] == "JournalDamaged"
        while not node.networks.resynced:
            await asyncio.sleep(0.02)
        assert (node.networks.resynced[0], node.networks.untouched) == ({other.uid}, {lost.uid})
        assert node.hypervisor.domains.keys() == {other.uid}


async def test_a_guest_with_a_damaged_journal_runs_on(operator: Api, node: SimNode):
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        before = await story.until("Running")
    (node.layout.journal / f"{story.uid}.json").write_text("{")
    async with node.agent():
        await asyncio.sleep(0.5)
        assert node.hypervisor.domains[story.uid].power is Power.RUNNING
        assert await story.until("Running") == before


async def test_a_bug_in_the_network_is_outlived_and_peers_go_with_their_last_guest(
    operator: Api, node: SimNode, monkeypatch: pytest.MonkeyPatch
):
    told = 0
    set_peers = node.networks.set_peers

    async def once_broken(*arguments: Any) -> None:
        nonlocal told
        told += 1
        if told == 1:
            raise KeyError("a bug")
        await set_peers(*arguments)

    monkeypatch.setattr(node.networks, "set_peers", once_broken)
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        await story.until("Running")
        async with asyncio.timeout(10):
            while not node.networks.peers:
                await asyncio.sleep(0.02)
        await story.change(desired="Stopped")
        await story.until("Stopped")
        async with asyncio.timeout(10):  # nothing is kept of a Network that nobody here uses
            while node.networks.peers:
                await asyncio.sleep(0.02)
