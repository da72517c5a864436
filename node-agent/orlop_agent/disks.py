"""The disks that are an Instance's own: its root disk, empty or over an image, and its seed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

from orlop_agent import told
from orlop_agent.paths import Layout
from orlop_agent.volume import qemu_img
from orlop_agent.volume.file import make_once, make_overlay
from orlop_api.assignment import AssignmentSpec


class Disks(Protocol):
    """Makes them; every call can be repeated."""

    async def empty(self, path: Path, size: int) -> None:
        """A disk of zeros, made once. StepError."""

    async def overlay(self, path: Path, size: int, base: Path, base_format: str) -> None:
        """A disk over a read-only image, made once. StepError."""

    async def seed(self, layout: Layout, spec: AssignmentSpec, user_data: bytes) -> Path:
        """What the guest is told of itself, as the order has it now. OSError."""


class NodeDisks:
    """Files of the node."""

    async def empty(self, path: Path, size: int) -> None:
        await make_once(path, lambda aside: qemu_img.create(aside, size))

    async def overlay(self, path: Path, size: int, base: Path, base_format: str) -> None:
        await make_overlay(path, size, base, base_format)

    async def seed(self, layout: Layout, spec: AssignmentSpec, user_data: bytes) -> Path:
        return await asyncio.to_thread(told.write, layout, spec, user_data)
