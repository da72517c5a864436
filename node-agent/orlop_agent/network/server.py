"""A dnsmasq of a Network on this node: it outlives the agent, and is started anew only when its configuration changes.

On a node it is a transient unit of systemd. Where there is none (tests), it is a daemon of its own; all else is
the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orlop_agent.network.errors import NetworkError
from orlop_agent.network.node import Node
from orlop_agent.network.records import replace

_STOP_SECONDS = 5.0
_LIMITS = ("MemoryMax=256M", "TasksMax=64")
"""What guests may make one take: names of 65,000 Ports need a tenth of that memory, and dnsmasq forks for each
question by TCP, at most 20 at once (its MAX_PROCS). One that needs more ends, and systemd starts it anew."""


@dataclass(frozen=True, slots=True)
class Server:
    """One dnsmasq, in the Network's namespace."""

    segment_id: int
    directory: Path
    """Its files."""
    unit: str
    """Its name in the node's systemd."""
    description: str
    capabilities: str
    """What it may do at most (capabilities(7)); it becomes nobody by itself and keeps what it needs."""

    @property
    def configuration_file(self) -> Path:
        return self.directory / "dnsmasq.conf"

    @property
    def pid_file(self) -> Path:
        return self.directory / "dnsmasq.pid"

    @property
    def command(self) -> list[str]:
        return ["dnsmasq", self._option]

    def running(self) -> int | None:
        """Its process; None when there is none."""
        try:
            pid = int(self.pid_file.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        # The number may have gone to another process meanwhile.
        return pid if self._option.encode() in command else None

    def look_again(self) -> None:
        """Has it read its files anew (dnsmasq(8), SIGHUP); fine where it does not run."""
        pid = self.running()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)

    @property
    def _option(self) -> str:
        return f"--conf-file={self.configuration_file}"


class Launcher(Protocol):
    """How a server is started and stopped."""

    async def start(self, server: Server) -> None:
        """Returns when it listens. Raises NetworkError."""

    async def stop(self, server: Server) -> None:
        """Returns when it is gone; also fine when it never was. Raises NetworkError."""


class Unit:
    """As a transient unit (systemd-run(1)); systemd starts it again should it fail."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def start(self, server: Server) -> None:
        properties = [
            "Type=forking",
            f"PIDFile={server.pid_file}",
            f"NetworkNamespacePath={self._node.namespace(server.segment_id)}",
            "Restart=always",
            "RestartSec=1",
            "StartLimitIntervalSec=0",
            "NoNewPrivileges=yes",
            f"CapabilityBoundingSet={server.capabilities}",
            "ProtectHome=yes",
            "ProtectSystem=strict",
            f"ReadWritePaths={server.directory}",
            *_LIMITS,
        ]
        given = ["systemd-run", "--collect", f"--unit={server.unit}", f"--description={server.description}"]
        given += [f"--property={each}" for each in properties]
        given += server.command
        try:
            await self._node.run(given)
        except NetworkError:
            # A unit of that name may be left that does not run.
            await self.stop(server)
            await self._node.run(given)

    async def stop(self, server: Server) -> None:
        try:
            await self._node.run(["systemctl", "stop", f"{server.unit}.service"])
        except NetworkError as error:
            if "not loaded" not in error.message:
                raise


class Daemon:
    """As a process that leaves its parent by itself."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def start(self, server: Server) -> None:
        await self._node.run(server.command, inside=server.segment_id)

    async def stop(self, server: Server) -> None:
        pid = server.running()
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            await _end(server, pid)


async def keep(launcher: Launcher, server: Server, configuration: str) -> bool:
    """Runs it with this configuration; False where it did so already. Raises NetworkError."""
    changed = replace(server.configuration_file, configuration)
    if server.running() is not None and not changed:
        return False
    if server.pid_file.exists():
        await launcher.stop(server)
    await launcher.start(server)
    return True


async def remove(launcher: Launcher, server: Server) -> None:
    """The server and its files. Raises NetworkError."""
    if server.configuration_file.exists():
        await launcher.stop(server)
    shutil.rmtree(server.directory, ignore_errors=True)


async def _end(server: Server, pid: int) -> None:
    """Ends a process that is no child and waits for it. Raises ProcessLookupError, NetworkError."""
    descriptor = os.pidfd_open(pid)
    try:
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        # Readable means ended (pidfd_open(2)).
        loop.add_reader(descriptor, gone.set)
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            async with asyncio.timeout(_STOP_SECONDS):
                await gone.wait()
        except TimeoutError as error:
            raise NetworkError("ServerFailed", f"{server.description} does not end") from error
        finally:
            loop.remove_reader(descriptor)
    finally:
        os.close(descriptor)
