"""Guests that are told of themselves by a node's agent."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

from orlop_agent.metadata.service import Metadata
from orlop_agent.network.adapter import Networks
from support.fakenode import FakeNode
from support.known import ADDRESS, KEY, Asking, ask, asking, known_guest
from support.stack import QUICK, Stack

ID = "/latest/meta-data/instance-id"


def known(uid: str) -> bytes:
    """As the agent's files say."""
    last = {"web-1": 20, "web-2": 21, "theirs": 20}[uid]
    return known_guest(
        uid, uid, f"10.10.0.{last}", user_data=f"secret of {uid}".encode(), keys=[("me", f"{KEY}-{uid}")]
    ).text()


class Cloud:
    """A node, an agent that can be another one, and guests."""

    def __init__(self, node: FakeNode, close: ExitStack) -> None:
        self.node, self._close = node, close
        self.metadata = Metadata(known)
        self.networks: Networks = node.networks(self.metadata)

    async def start(self, uid: str, address: str, segment_id: int = 4097, **fields: object) -> Stack:
        stack = await Stack.start(self.networks, self.node, uid, asking(address, segment_id, **fields))
        self._close.callback(stack.close)
        return stack

    async def another_agent(self) -> None:
        await self.metadata.stop()
        self.metadata = Metadata(known)
        self.networks = self.node.networks(self.metadata)


async def asked(
    stack: Stack, path: str = ID, method: str = "GET", to: str = ADDRESS, **headers: str
) -> tuple[int, str]:
    """Beside the agent, which is in this process."""
    return await asyncio.to_thread(lambda: ask(stack, path, method, to, **headers))


async def unheard(stack: Stack, to: str = ADDRESS) -> bool:
    """Whether there is no answer, and no word why."""
    try:
        return await asyncio.to_thread(lambda: Asking(stack, QUICK, to).connect()) is not None
    except TimeoutError:
        return True
