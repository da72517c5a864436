"""The name server of a Network on this node: a dnsmasq that knows no leases, so that names come and go without them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orlop_agent.network import names, resolver
from orlop_agent.network.records import replace
from orlop_agent.network.segment import Segment
from orlop_agent.network.server import Launcher, Server, keep, remove

_CAPABILITIES = "CAP_NET_BIND_SERVICE CAP_SETUID CAP_SETGID CAP_CHOWN"


class Dns:
    """Keeps the files of a Network's name server and the server itself in step."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher

    async def ensure(self, segment: Segment, directory: Path) -> None:
        """A running server, with the names that were told last. Raises NetworkError."""
        resolver.hosts_dir(directory).mkdir(mode=0o755, parents=True, exist_ok=True)
        server = _server(segment.segment_id, directory)
        await keep(self._launcher, server, resolver.configuration(segment, directory))

    def tell(self, segment: Segment, directory: Path, files: Mapping[str, str]) -> None:
        """These names, and no others. dnsmasq sees new and changed files by itself (dnsmasq(8), hostsdir)."""
        there = {file.name for file in resolver.hosts_dir(directory).iterdir()}
        self.change(segment, directory, {**dict.fromkeys(there, ""), **files})

    def change(self, segment: Segment, directory: Path, files: Mapping[str, str]) -> None:
        """These files, and others as they are; an empty one goes."""
        gone = False
        for name, text in files.items():
            file = resolver.hosts_dir(directory) / name
            before = file.read_text().splitlines() if file.exists() else ()
            if not text:
                file.unlink(missing_ok=True)
                gone |= bool(before)
            elif replace(file, text):
                gone |= not set(before) <= set(text.splitlines())
        if gone:
            # Older ones than 2.87 keep what was taken out of a file, or went with it, until they are told.
            _server(segment.segment_id, directory).look_again()

    async def remove(self, segment_id: int, directory: Path) -> None:
        """The server and its files. Raises NetworkError."""
        await remove(self._launcher, _server(segment_id, directory))


def _server(segment_id: int, directory: Path) -> Server:
    described = f"DNS of Orlop network segment {segment_id}"
    return Server(segment_id, directory, names.dns_unit(segment_id), described, _CAPABILITIES)
