"""What the agent must not forget of an Instance, whatever the API server says later: one small file each.

The protocol's own entry, and beside it what only this node knows: whether the guest ran at its last start,
how it ended, and the NICs that it has (a guest is kept when nothing says whose it is, its network too).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from orlop_agent import durable
from orlop_agent.failure import StepError
from orlop_agent.hypervisor import EndReason
from orlop_agent.protocol import Entry
from orlop_api.assignment import AssignedNic, State


@dataclass(frozen=True, slots=True)
class Record:
    """One file of the journal."""

    entry: Entry
    hostname: str = ""
    nics: tuple[AssignedNic, ...] = ()
    boot_id: str = ""
    """The node's boot of the last start."""
    ran: str | None = None
    """The start at which the guest ran; None when it was stopped on order since."""
    ended: EndReason | None = None
    """How the guest ended by itself, since `ran`."""


class _Stored(msgspec.Struct, omit_defaults=True):
    assignment_uid: str
    epoch: int
    start_id: str | None = None
    final: str | None = None
    has_root_disk: bool = False
    hostname: str = ""
    nics: list[dict[str, object]] = []
    boot_id: str = ""
    ran: str | None = None
    ended: str | None = None


class Journal:
    """The files below `directory`, named by the Instance's uid; read once, written through."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, Record | StepError] = {}
        for path in directory.glob("*.json"):
            if not path.name.startswith("."):
                self._known[path.stem] = _read(path)

    def read(self, instance_uid: str) -> Record | None:
        """The record; None where there is none. StepError where the file is damaged: then nothing is safe."""
        known = self._known.get(instance_uid)
        if isinstance(known, StepError):
            raise known
        return known

    def peek(self, instance_uid: str) -> Record | None:
        """The record; None also where the file is damaged."""
        known = self._known.get(instance_uid)
        return known if isinstance(known, Record) else None

    def write(self, instance_uid: str, record: Record) -> None:
        """Returns once the record survives a power cut."""
        durable.write(self._path(instance_uid), encode(record))
        self._known[instance_uid] = record

    def remove(self, instance_uid: str) -> None:
        durable.remove(self._path(instance_uid))
        self._known.pop(instance_uid, None)

    def instances(self) -> Sequence[str]:
        """Uids of all Instances with a record."""
        return list(self._known)

    def _path(self, instance_uid: str) -> Path:
        return self._directory / f"{instance_uid}.json"


def _read(path: Path) -> Record | StepError:
    try:
        return decode(path.read_bytes())
    except (OSError, ValueError):
        return StepError(
            "JournalDamaged", "what this node knew of the Instance cannot be read: it is left as it is"
        )


def encode(record: Record) -> bytes:
    """One JSON document."""
    entry = record.entry
    return msgspec.json.encode(
        _Stored(
            assignment_uid=entry.assignment_uid,
            epoch=entry.epoch,
            start_id=entry.start_id,
            final=entry.final.value if entry.final else None,
            has_root_disk=entry.has_root_disk,
            hostname=record.hostname,
            nics=[nic.wire() for nic in record.nics],
            boot_id=record.boot_id,
            ran=record.ran,
            ended=record.ended.value if record.ended else None,
        )
    )


def decode(content: bytes) -> Record:
    """The record in a file; ValueError where it is none: then nothing may be started or forgotten."""
    try:
        stored = msgspec.json.decode(content, type=_Stored)
    except msgspec.MsgspecError as error:
        raise ValueError(f"the journal cannot be read: {error}") from error
    return Record(
        Entry(
            stored.assignment_uid,
            stored.epoch,
            stored.start_id,
            State(stored.final) if stored.final else None,
            stored.has_root_disk,
        ),
        hostname=stored.hostname,
        nics=tuple(AssignedNic.model_validate(nic) for nic in stored.nics),
        boot_id=stored.boot_id,
        ran=stored.ran,
        ended=EndReason(stored.ended) if stored.ended else None,
    )
