"""Who makes iSCSI targets of files: a small interface, one file for each kind of target."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Unit:
    """A target with one logical unit."""

    target: str
    """Its iSCSI name."""
    lun: int
    file: Path
    """What is served, byte for byte."""
    account: str | None
    """Only who knows this account's secret may log in; None: everybody."""


class TargetDriver(Protocol):
    """Serves files of this node. Every call may be repeated; all raise StepError."""

    async def publish(self, unit: Unit) -> None:
        """Serve the unit, unless it is served already."""

    async def withdraw(self, target: str, *, force: bool = True) -> None:
        """Serve it no more, to nobody. Without `force` StepError InUse where somebody is logged in, and it stays."""
