"""The DHCP and the name server of a Network on this node, which systemd takes longer to start than all else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Coroutine

import structlog

from orlop_agent.network import leases, resolver
from orlop_agent.network.segment import Attachment, Segment
from orlop_agent.network.surroundings import Surroundings
from orlop_agent.together import together

_log = structlog.get_logger()


class Servers:
    """They start beside whatever else is made of a new Network; a guest runs once they do.

    The caller sees to it that one call at a time is in progress.
    """

    def __init__(self, around: Surroundings, segment_id: int) -> None:
        self._dhcp, self._dns = around.dhcp, around.dns
        self._segment_id = segment_id
        directory = around.records.directory(segment_id)
        self._dhcp_directory, self.dns_directory = directory / "dhcp", directory / "dns"
        self._started: asyncio.Task[None] | None = None
        """None: nobody began, or it failed."""

    def begin(self, segment: Segment, here: Collection[Attachment], bridge: Awaitable[None]) -> None:
        """Has them run, configured for what is here, once the bridge is there; returns at once."""

        async def start() -> None:
            await bridge
            await self._start(segment, here)

        self._started = self._task(start())

    async def settle(self) -> None:
        """Waits until what was begun is done, or failed."""
        if self._started is not None:
            await asyncio.wait([self._started])
            if self._started.cancelled() or self._started.exception() is not None:
                self._started = None

    async def ensure(self, segment: Segment, here: Collection[Attachment]) -> None:
        """They run; what had failed before it was settled is tried again. Raises NetworkError."""
        if self._started is None:
            self._started = self._task(self._start(segment, here))
        await self._started

    def add(self, segment: Segment, new: Collection[Attachment]) -> None:
        """Tells them of NICs more."""
        if segment.dhcp:
            self._dhcp.add(self._dhcp_directory, {each.tap: leases.host(each) for each in new})

    async def forget(self, segment: Segment, old: Collection[Attachment]) -> None:
        """Tells them of NICs that go. Raises NetworkError."""
        started, self._started = self._started, None
        await self._dhcp.forget(segment, self._dhcp_directory, old)
        self._started = started

    async def remove(self) -> None:
        """Ends them, with their files. Raises NetworkError."""
        self._started = None
        await self._dhcp.remove(self._segment_id, self._dhcp_directory)
        await self._dns.remove(self._segment_id, self.dns_directory)

    def _task(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"servers of segment {self._segment_id}")
        task.add_done_callback(self._tell)
        return task

    def _tell(self, task: asyncio.Task[None]) -> None:
        """What goes wrong while nobody waits."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.warning("network.servers", segment=self._segment_id, error=str(error))

    async def _start(self, segment: Segment, here: Collection[Attachment]) -> None:
        servers = [self._dhcp.ensure(segment, self._dhcp_directory, here)] if segment.dhcp else []
        if resolver.answers(segment):
            servers.append(self._dns.ensure(segment, self.dns_directory))
        await together(*servers)
