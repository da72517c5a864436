"""A mistake in a manifest, and what the API server must say about it.

`message` None means that the schema refuses it: then the field's path alone counts, its words are Kubernetes' own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Bad:
    """One mistake."""

    name: str
    kind: str
    changes: dict[str, Any]
    """Fields of the smallest right manifest to set, by path."""
    field: str
    message: str | None = None
    first: dict[str, Any] = field(default_factory=dict)
    """For a mistake in an update: how the object was created."""
