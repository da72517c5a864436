"""The DHCP server of a Network on this node: a dnsmasq that outlives the agent.

On a node it is a transient unit of systemd. Where there is none (tests), it is a daemon of its own; all else is
the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orlop_agent.network import leases, names
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.node import Node
from orlop_agent.network.records import replace
from orlop_agent.network.segment import Attachment, Segment

_STOP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Server:
    """One Network's DHCP server on this node."""

    segment_id: int
    directory: Path
    """Its files."""


class Launcher(Protocol):
    """How a DHCP server is started and stopped."""

    async def start(self, server: Server) -> None:
        """Returns when it listens. Raises NetworkError."""

    async def stop(self, server: Server) -> None:
        """Returns when it is gone; also fine when it never was. Raises NetworkError."""


class Unit:
    """As a transient unit (systemd-run(1)); systemd starts it again should it fail."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def start(self, server: Server) -> None:
        unit = names.dhcp_unit(server.segment_id)
        properties = [
            "Type=forking",
            f"PIDFile={leases.pid_file(server.directory)}",
            f"NetworkNamespacePath={self._node.namespace(server.segment_id)}",
            "Restart=always",
            "RestartSec=1",
            "StartLimitIntervalSec=0",
            "NoNewPrivileges=yes",
            "CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_CHOWN",
            "ProtectHome=yes",
            "ProtectSystem=strict",
            f"ReadWritePaths={server.directory}",
        ]
        described = f"--description=DHCP of Orlop network segment {server.segment_id}"
        given = ["systemd-run", "--collect", f"--unit={unit}", described]
        given += [f"--property={each}" for each in properties]
        given += _command(server.directory)
        try:
            await self._node.run(given)
        except NetworkError:
            # A unit of that name may be left that does not run.
            await self.stop(server)
            await self._node.run(given)

    async def stop(self, server: Server) -> None:
        unit = f"{names.dhcp_unit(server.segment_id)}.service"
        try:
            await self._node.run(["systemctl", "stop", unit])
        except NetworkError as error:
            if "not loaded" not in error.message:
                raise


class Daemon:
    """As a process that leaves its parent by itself."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def start(self, server: Server) -> None:
        await self._node.run(_command(server.directory), inside=server.segment_id)

    async def stop(self, server: Server) -> None:
        pid = running(server.directory)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            await _end(pid)


class Dhcp:
    """Keeps the files of a Network's DHCP server and the server itself in step."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher

    async def ensure(self, segment: Segment, directory: Path, attachments: Iterable[Attachment]) -> None:
        """A running server with exactly these NICs. Raises NetworkError."""
        hosts = {attachment.tap: leases.host(attachment) for attachment in attachments}
        self.add(directory, hosts)
        stale = [file for file in leases.hosts_dir(directory).iterdir() if file.name not in hosts]
        for file in stale:
            file.unlink(missing_ok=True)
        changed = replace(leases.configuration_file(directory), leases.configuration(segment, directory))
        pid = running(directory)
        if pid is not None and not changed:
            if stale:
                _signal(pid, signal.SIGHUP)
            return
        server = Server(segment.segment_id, directory)
        if leases.pid_file(directory).exists():
            await self._launcher.stop(server)
        await self._launcher.start(server)

    def add(self, directory: Path, hosts: dict[str, str]) -> None:
        """Adds lines, each under its own name. dnsmasq sees new files by itself (dnsmasq(8), dhcp-hostsdir)."""
        leases.hosts_dir(directory).mkdir(mode=0o755, parents=True, exist_ok=True)
        for name, line in hosts.items():
            replace(leases.hosts_dir(directory) / name, line)

    async def forget(self, segment: Segment, directory: Path, attachments: Iterable[Attachment]) -> None:
        """Takes NICs out. Raises NetworkError."""
        own_mac = False
        for attachment in attachments:
            (leases.hosts_dir(directory) / attachment.tap).unlink(missing_ok=True)
            derived = names.derived_mac(segment.segment_id, attachment.addresses[0])
            own_mac |= attachment.mac != derived
        pid = running(directory)
        if pid is None:
            return
        if own_mac:
            server = Server(segment.segment_id, directory)
            # The address may come back with another MAC, and dnsmasq would keep it for its old lease:
            # one that just started knows no leases, and needs none.
            await self._launcher.stop(server)
            await self._launcher.start(server)
        else:
            # What was removed stays until SIGHUP (dnsmasq(8), dhcp-hostsdir).
            _signal(pid, signal.SIGHUP)

    async def remove(self, segment_id: int, directory: Path) -> None:
        """The server and its files. Raises NetworkError."""
        if leases.configuration_file(directory).exists():
            await self._launcher.stop(Server(segment_id, directory))
        shutil.rmtree(directory, ignore_errors=True)


def running(directory: Path) -> int | None:
    """The process of the server with these files; None when there is none."""
    try:
        pid = int(leases.pid_file(directory).read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    # The number may have gone to another process meanwhile.
    return pid if _option(directory).encode() in command else None


def _option(directory: Path) -> str:
    return f"--conf-file={leases.configuration_file(directory)}"


def _command(directory: Path) -> list[str]:
    return ["dnsmasq", _option(directory)]


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


async def _end(pid: int) -> None:
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
            raise NetworkError("DHCPFailed", "the DHCP server does not end") from error
        finally:
            loop.remove_reader(descriptor)
    finally:
        os.close(descriptor)
