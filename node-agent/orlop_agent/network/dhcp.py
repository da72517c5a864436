"""The DHCP server of a Network on this node: a dnsmasq that knows no names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from orlop_agent.network import leases, names
from orlop_agent.network.records import replace
from orlop_agent.network.segment import Attachment, Segment
from orlop_agent.network.server import Launcher, Server, keep, remove

_CAPABILITIES = "CAP_NET_ADMIN CAP_NET_RAW CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_CHOWN"


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
        server = _server(segment.segment_id, directory)
        if not await keep(self._launcher, server, leases.configuration(segment, directory)) and stale:
            server.look_again()

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
            # Of IPv6 alone, a lease is of whom the guest says to be (its DUID), whatever its MAC address.
            first = next(iter(attachment.addresses), None)
            own_mac |= first is None or attachment.mac != names.derived_mac(segment.segment_id, first)
        server = _server(segment.segment_id, directory)
        if server.running() is None:
            return
        if own_mac:
            # The address may come back with another MAC, and dnsmasq would keep it for its old lease:
            # one that just started knows no leases, and needs none.
            await self._launcher.stop(server)
            await self._launcher.start(server)
        else:
            # What was removed stays until SIGHUP (dnsmasq(8), dhcp-hostsdir).
            server.look_again()

    async def remove(self, segment_id: int, directory: Path) -> None:
        """The server and its files. Raises NetworkError."""
        await remove(self._launcher, _server(segment_id, directory))


def _server(segment_id: int, directory: Path) -> Server:
    described = f"DHCP of Orlop network segment {segment_id}"
    return Server(segment_id, directory, names.dhcp_unit(segment_id), described, _CAPABILITIES)
