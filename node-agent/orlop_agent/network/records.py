"""The node's memory of which NICs it made, one small file each, so that a new agent knows what an old one did.

It is written before anything is made and removed after everything is gone. It lies in /run: a reboot
takes it away together with what it tells of.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from orlop_agent.network import routing
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.floating import Floating
from orlop_agent.network.routing import Place
from orlop_agent.network.segment import Attachment

_log = logging.getLogger(__name__)


class Records:
    """The files of all Networks: <directory>/<segment>/nics/<tap>.json."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def directory(self, segment_id: int) -> Path:
        """Everything that is kept for a segment."""
        return self._directory / str(segment_id)

    def load(self) -> dict[int, list[Attachment]]:
        """All that was made here, by segment. A segment with nothing in it is one to be removed."""
        found: dict[int, list[Attachment]] = {}
        if not self._directory.is_dir():
            return found
        for directory in self._directory.iterdir():
            if not directory.name.isdecimal():
                continue
            nics = found.setdefault(int(directory.name), [])
            for file in sorted((directory / "nics").glob("*.json")):
                try:
                    nics.append(Attachment.recorded(json.loads(file.read_bytes())))
                except (KeyError, TypeError, ValueError, NetworkError) as error:
                    # Of another version: what it tells of is found by its mark on the interface instead.
                    _log.warning("network record %s cannot be read: %s", file, error)
        return found

    def place(self, segment_id: int) -> Place | None:
        """Where the Network is in its Router."""
        try:
            return routing.recorded(self._place(segment_id).read_text())
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, ValueError) as error:
            _log.warning("network record of segment %d cannot be read: %s", segment_id, error)
            return None

    def keep_place(self, segment_id: int, place: Place | None) -> None:
        if place is None:
            self._place(segment_id).unlink(missing_ok=True)
        else:
            replace(self._place(segment_id), place.told)

    def floating(self, segment_id: int) -> tuple[Floating, ...]:
        """The FloatingIPs of its NICs."""
        try:
            found = json.loads(self._floating(segment_id).read_bytes())
            return tuple(Floating.recorded(each) for each in found)
        except FileNotFoundError:
            return ()
        except (KeyError, TypeError, ValueError) as error:
            _log.warning("network record of segment %d cannot be read: %s", segment_id, error)
            return ()

    def has_floating(self, segment_id: int) -> bool:
        """Whether rules for any may be in the Network's namespace."""
        return self._floating(segment_id).exists()

    def keep_floating(self, segment_id: int, found: Sequence[Floating]) -> None:
        if found:
            replace(self._floating(segment_id), json.dumps([each.record() for each in found]))
        else:
            self._floating(segment_id).unlink(missing_ok=True)

    def add(self, attachments: Sequence[Attachment]) -> None:
        for attachment in attachments:
            replace(self._file(attachment), json.dumps(attachment.record()))

    def remove(self, attachments: Sequence[Attachment]) -> None:
        for attachment in attachments:
            self._file(attachment).unlink(missing_ok=True)

    def forget(self, segment_id: int) -> None:
        """Everything that was kept for a segment."""
        shutil.rmtree(self.directory(segment_id), ignore_errors=True)

    def _floating(self, segment_id: int) -> Path:
        return self.directory(segment_id) / "floating.json"

    def _place(self, segment_id: int) -> Path:
        return self.directory(segment_id) / "router.json"

    def _file(self, attachment: Attachment) -> Path:
        return self.directory(attachment.nic.segment_id) / "nics" / f"{attachment.tap}.json"


def replace(path: Path, text: str) -> bool:
    """Writes a file as a whole, readable by all; False when it was so already.

    The name of the unfinished file starts with a dot: dnsmasq leaves such alone in its hosts directory.
    """
    try:
        if path.read_text() == text:
            return False
    except FileNotFoundError:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}")
    unfinished.write_text(text)
    unfinished.chmod(0o644)
    unfinished.replace(path)
    return True
