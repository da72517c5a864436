"""Two nodes whose agents are told the same of Networks and Routers."""

from contextlib import ExitStack

from orlop_agent.network.adapter import Networks
from orlop_agent.network.book import Book
from orlop_api.assignment import AssignedNic
from orlop_api.router import Router
from orlop_api.security_group import SecurityGroup
from support.fakenode import FakeNode
from support.guarding import by_uid
from support.routed import HOME, NETWORKS, port
from support.stack import Stack

Lab = tuple[FakeNode, FakeNode, FakeNode]
NOTHING: dict[str, list[str]] = {"namespaces": [], "links": [], "tables": [], "files": [], "servers": []}


class Cloud:
    """Two nodes with agents, that are told the same."""

    def __init__(self, lab: Lab, close: ExitStack) -> None:
        self.nodes = lab[:2]
        self.agents: list[Networks] = [node.networks() for node in self.nodes]
        self.guests: dict[str, tuple[Stack, int, tuple[str, ...]]] = {}
        self.books = {segment: Book() for segment in NETWORKS}
        """Each Network's Ports: what changed of them is all that is told."""
        self._close = close

    async def tell(self, *segments: int) -> None:
        for segment in segments or NETWORKS:
            ports = [
                port(stack.nic, self.nodes[at], *groups)
                for stack, at, groups in self.guests.values()
                if stack.nic.segment_id == segment
            ]
            self.books[segment].replace(ports)
            for agent in self.agents:
                await agent.set_peers(f"net-{segment}", self.books[segment])

    async def join(self, *routers: Router) -> None:
        for agent in self.agents:
            await agent.set_routers(HOME, routers)

    async def say(self, *groups: SecurityGroup) -> None:
        for agent in self.agents:
            await agent.set_groups(HOME, by_uid(*groups))

    async def start(self, name: str, at: int, order: AssignedNic, *groups: str) -> Stack:
        if not self.guests:
            await self.tell()
        stack = await Stack.start(self.agents[at], self.nodes[at], name, order)
        self._close.callback(stack.close)
        self.guests[name] = (stack, at, groups)
        await self.tell()
        return stack

    async def end(self, name: str) -> None:
        _, at, _ = self.guests.pop(name)
        await self.agents[at].detach(name)
        await self.tell()

    def wanted(self, at: int) -> dict[str, tuple[str, list[AssignedNic]]]:
        return {n: (n, [stack.nic]) for n, (stack, where, _) in self.guests.items() if where == at}


def namespaces(node: FakeNode) -> set[str]:
    return {line.split()[0] for line in node.run("ip", "netns").splitlines()}
