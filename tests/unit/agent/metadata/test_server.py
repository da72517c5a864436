"""The program that speaks HTTP, without its confinement: it is handed connections as the agent hands them."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator

import pytest

from orlop_agent.metadata import server
from orlop_agent.metadata.guest import Guest

ASK = b"GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: x\r\n\r\n"


class Agent:
    """Its half."""

    def __init__(self, door: socket.socket) -> None:
        self._door = door
        self._kept: list[socket.socket] = []

    def hand(self, guest: bytes, who: str = "1/10.10.0.20") -> socket.socket:
        """A connection to the program; what comes back is the guest's end of it."""
        ours, theirs = socket.socketpair()
        memory = os.memfd_create("known")
        with theirs, os.fdopen(memory, "wb") as file:
            file.write(guest)
            file.flush()
            file.seek(0)
            socket.send_fds(self._door, [who.encode()], [theirs.fileno(), memory])
        ours.settimeout(0)
        self._kept.append(ours)
        return ours

    def close(self) -> None:
        for each in self._kept:
            each.close()


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    loop = asyncio.get_running_loop()
    with ours, theirs:
        theirs.settimeout(0)
        door = server.Door(theirs)
        loop.add_reader(theirs, door.take)
        made = Agent(ours)
        yield made
        made.close()
        ours.close()
        async with asyncio.timeout(5):
            await door.ended.wait()
        loop.remove_reader(theirs)


async def hears(connection: socket.socket) -> bytes:
    async with asyncio.timeout(5):
        return await asyncio.get_running_loop().sock_recv(connection, 65536)


async def test_each_connection_is_one_guests(agent: Agent, guest: Guest):
    connection = agent.hand(guest.text())
    for _ in range(2):
        connection.send(ASK)
        said = await hears(connection)
        assert said.startswith(b"HTTP/1.1 200")
        assert said.endswith(b"uid-1")


async def test_who_asks_slowly_is_cut_off(agent: Agent, guest: Guest, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "LIFETIME", 0.3)
    connection = agent.hand(guest.text())
    connection.send(b"GET /latest")
    assert await hears(connection) == b""


async def test_a_guest_has_only_so_many_at_once(agent: Agent, guest: Guest):
    held = [agent.hand(guest.text()) for _ in range(server.AT_ONCE)]
    held[0].send(ASK)
    assert await hears(held[0])
    more = agent.hand(guest.text())
    assert await hears(more) == b""
    # Another one has its own, and so has this one when an earlier is over.
    other = agent.hand(guest.text(), who="1/10.10.0.21")
    other.send(ASK)
    assert await hears(other)
    for each in held:
        each.close()
    await asyncio.sleep(0.1)
    again = agent.hand(guest.text())
    again.send(ASK)
    assert await hears(again)


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 9000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_question_is_refused(agent: Agent, guest: Guest, said: bytes, caplog, capfd):
    connection = agent.hand(guest.text())
    connection.send(said)
    assert (await hears(connection)).startswith(b"HTTP/1.0 400")
    assert "aaaa" not in caplog.text + capfd.readouterr().err


async def test_another_versions_file_closes_the_connection(agent: Agent, capfd):
    assert await hears(agent.hand(b"{}")) == b""
    assert "cannot be read" in capfd.readouterr().err
