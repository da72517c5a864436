"""Two replicas at once, killed and ended at bad moments: every Instance becomes Ready once."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from subprocess import Popen

import pytest

from support import wishes
from support.prepared import tenant
from support.scripted import Api, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]
Start = Callable[[str], AbstractContextManager["Popen[bytes]"]]


async def test_creates_survive_the_death_of_the_leader(user: Api, agents: Agents, start: Start) -> None:
    it = await tenant(user, "deaths")
    with ExitStack() as stack:
        two = stack.enter_context(start("two"))
        for n in range(6):
            await it.make("instances", wishes.instance("deaths", f"web-{n}"))
        two.kill()
        stack.enter_context(start("three"))
        made = await asyncio.gather(*(it.ready(f"web-{n}") for n in range(6)))
    assert len({thing["status"]["addresses"][0]["ip"] for thing in made}) == 6
    for thing in made:
        order = await it.assignment(thing["metadata"]["uid"])
        assert order["spec"]["epoch"] == 1
        running = [name for name, agent in agents.items() if thing["metadata"]["uid"] in agent.running]
        assert running == [thing["status"]["nodeName"]]
    await asyncio.gather(*(it.delete(f"web-{n}") for n in range(6)))
