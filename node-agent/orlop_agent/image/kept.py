"""What a node keeps of an image, and how a file that is there already is looked at before it is used again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orlop_agent.image.fetch import Progress
from orlop_agent.image.header import examine, stored_as
from orlop_agent.image.transfer import Part
from orlop_agent.image.window import OpenFile
from orlop_api.image import ImageFormat
from orlop_api.peer import ImagePeer


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that is to be in the cache."""

    digest: str
    """sha256 of the bytes as served."""
    name: str
    """What it is called there."""
    content: str
    """sha256 of the file itself, by which other nodes have it."""
    peers: Sequence[ImagePeer]
    take: Callable[[Part, Progress], Coroutine[Any, Any, int]]
    """From its source; the bytes that were served."""
    check: Callable[[Path], Coroutine[Any, Any, None]]
    """Looks at what another node gave."""
    recheck: Callable[[Path], None]
    """Looks at what was there, which an older agent may have kept as something else. ImageError."""


def kept_as(served: ImageFormat) -> ImageFormat:
    """The format that a node keeps, as an image's: a disc is raw, and yet no raw disk."""
    return ImageFormat.ISO if served is ImageFormat.ISO else ImageFormat(stored_as(served))


def examine_kept(path: Path, served: ImageFormat) -> None:
    """ImageError unless the file is what a node keeps of an image in this format, with nothing below it."""
    declared = kept_as(served)
    examine(OpenFile(path), declared, (declared,), sys.maxsize)


async def no_check(_: Path) -> None:
    """A kernel is read by the guest's loader only."""


def no_recheck(_: Path) -> None:
    """Nothing else has a kernel's name."""
