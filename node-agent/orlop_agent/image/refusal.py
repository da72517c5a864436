"""How header checks say no."""

from __future__ import annotations

from orlop_agent.image.errors import ImageError


def refused(reason: str, message: str) -> ImageError:
    """For good: the same file would be refused again."""
    return ImageError(reason, message, permanent=True)


def corrupt(kind: str, what: str) -> ImageError:
    """The header contradicts itself or the file."""
    return refused("CorruptImage", f"corrupt {kind} header: {what}")
