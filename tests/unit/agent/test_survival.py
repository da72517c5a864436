"""A mistake in one place ends nothing but itself."""

import asyncio
from typing import Any

import pytest

from orlop_agent.agent import Agent
from orlop_agent.api import backoff
from orlop_agent.imports import Imports
from orlop_agent.libvirt import _sentence
from orlop_agent.network.adapter import Networks
from orlop_agent.network.book import Book
from orlop_agent.volume.drivers import Drivers
from orlop_agent.wiring import _port
from orlop_api.hypervisor import ImportOrder, ImportState
from orlop_api.source import FileSource, WebLocation


class Stray:
    """A worker that waits for something which is cancelled, and then finds nothing left to do."""

    idle = True

    def __init__(self) -> None:
        self.runs = 0

    async def run(self) -> None:
        self.runs += 1
        if self.runs == 1:
            waited_for = asyncio.get_running_loop().create_future()
            waited_for.cancel()
            await waited_for


class Endless(Stray):
    async def run(self) -> None:
        self.runs += 1
        await asyncio.Event().wait()


def agent_with(worker: Any) -> Agent:
    nothing: Any = None
    made = Agent(nothing, "qemu", nothing, nothing, nothing, Drivers({}), nothing, nothing)
    made._workers["uid"] = worker
    return made


async def test_a_worker_outlives_a_cancellation_that_is_not_its_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(backoff, "delays", lambda **_: iter([0.0]))
    worker = Stray()
    agent = agent_with(worker)
    await agent._work("uid", worker)  # type: ignore[arg-type]
    assert worker.runs == 2
    assert not agent._workers


async def test_a_worker_that_is_cancelled_ends():
    worker = Endless()
    work = asyncio.create_task(agent_with(worker)._work("uid", worker))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    work.cancel()
    await asyncio.wait({work}, timeout=5)
    assert work.cancelled()
    assert worker.runs == 1


class Buggy:
    def digests(self) -> list[str]:
        return []

    async def run_import(self, _order: ImportOrder, _progress: Any) -> Any:
        raise UnicodeError("nobody thought of this")


async def test_an_import_always_ends_with_a_report():
    changed = asyncio.Event()
    imports = Imports("node-1", Buggy(), changed.set)
    source = FileSource(http=WebLocation(url="https://mirror.example.org/x"))
    imports.follow([ImportOrder(image_uid="u1", source=source, generation=3)])
    async with asyncio.timeout(5):
        await changed.wait()
    (report,) = imports.reports()
    assert (report.state, report.reason, report.retry) == (ImportState.FAILED, "InternalError", "Useful")
    assert report.generation == 3
    assert "thought" not in report.message


class Refusal:
    def __init__(self, message: str) -> None:
        self._message = message

    def get_error_message(self) -> str:
        return self._message


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Cannot access storage file '/var/lib/orlop/instances/a b/root.qcow2' (as uid:64055): No such file",
            "Cannot access storage file '…' (as uid:64055): No such file",
        ),
        ('could not open "/dev/kvm"', 'could not open "…"'),
        (
            "Failed to connect socket to /var/run/libvirt/sock: refused",
            "Failed to connect socket to …: refused",
        ),
        ("unable to map backing=/dev/hugepages,size=1", "unable to map backing=…,size=1"),
        ("I/O error and/or timeout", "I/O error and/or timeout"),
        ("", "libvirtd refused without a reason"),
    ],
)
def test_libvirts_words_name_no_paths(said: str, told: str):
    assert _sentence(Refusal(said)) == told


def test_a_port_that_cannot_be_read_is_left_out():
    assert _port({"metadata": {"name": "web-1-eth0"}, "spec": 7}) is None


async def test_nothing_is_kept_of_a_network_that_left(tmp_path: Any):
    networks = Networks("192.0.2.1", run_dir=tmp_path, netns_dir=tmp_path)
    await networks.set_peers("net", Book.of(()))
    networks.forget_peers("net")
    networks.forget_peers("net")
    assert not networks._books
    async with networks._presence(4097):
        lock = networks._locks[4097]
        assert lock.locked()
    del lock
    assert not networks._locks
    assert not networks._present
