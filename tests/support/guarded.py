"""Two nodes whose agents are told the same of SecurityGroups, Ports and who is in which."""

from contextlib import ExitStack

from orlop_agent.network.adapter import Networks
from orlop_agent.network.book import Book
from orlop_api.assignment import AssignedNic
from orlop_api.security_group import SecurityGroup
from support.fakenode import FakeNode
from support.guarding import HOME, by_uid, guarded, port
from support.stack import Stack

Lab = tuple[FakeNode, FakeNode, FakeNode]


class Cloud:
    """Two nodes with agents, that are told the same."""

    def __init__(self, lab: Lab, close: ExitStack) -> None:
        self.nodes = lab[:2]
        self.outside = lab[2]
        self.agents: list[Networks] = [node.networks() for node in self.nodes]
        self.guests: dict[str, tuple[Stack, int, tuple[str, ...]]] = {}
        self.book = Book()
        """The Network's Ports: what changed of them is all that is told."""
        self._close = close

    async def say(self, *groups: SecurityGroup) -> None:
        for agent in self.agents:
            await agent.set_groups(HOME, by_uid(*groups))

    async def tell(self) -> None:
        ports = [port(stack.nic, self.nodes[at], *names) for stack, at, names in self.guests.values()]
        self.book.replace(ports)
        for agent in self.agents:
            await agent.set_peers("net-4097", self.book)

    async def start(self, name: str, at: int, low: int, *names: str) -> Stack:
        """A guest on node 0 or 1, in these groups."""
        return await self.join(name, at, guarded(f"10.10.0.{low}", *names), *names)

    async def join(self, name: str, at: int, nic: AssignedNic, *names: str) -> Stack:
        """The same with this NIC."""
        if "net-4097" not in self.agents[at]._books:
            await self.tell()
        stack = await Stack.start(self.agents[at], self.nodes[at], name, nic)
        self._close.callback(stack.close)
        self.guests[name] = (stack, at, names)
        await self.tell()
        return stack

    def also(self, stack: Stack) -> None:
        """Ends with the others, and is none of the Network's."""
        self._close.callback(stack.close)

    async def move(self, name: str, *names: str) -> None:
        """It lists other groups now."""
        stack, at, _ = self.guests[name]
        self.guests[name] = (stack, at, names)
        await self.tell()

    def dropped(self, at: int, counter: str, family: str = "inet") -> int:
        listed = self.nodes[at].run("nft", "list", "counter", family, "orlop_groups", counter, inside=4097)
        return int(listed.split("packets ")[1].split()[0])

    def rules(self, at: int) -> str:
        return self.nodes[at].run("nft", "list", "table", "inet", "orlop_groups", inside=4097)
