"""When a deletion that waits says what it waits for. Pure."""

from __future__ import annotations

from datetime import datetime

from orlop_api.resource import Metadata

PATIENCE = 5.0
"""Seconds that a deletion may take before: most have ended by then, and what is said is a write that others have to
come to know."""


def left(meta: Metadata, now: datetime) -> float:
    """Seconds until it is said; nothing where it is time."""
    asked = meta.deletion_timestamp
    waited = (now - datetime.fromisoformat(asked)).total_seconds() if asked else 0.0
    # Half a second more: the API server's times have no fractions.
    return PATIENCE - waited + 0.5 if waited < PATIENCE else 0.0
