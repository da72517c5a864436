"""What admission does to one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Change:
    """Only what differs from the object that came in; nothing at all when it has everything."""

    finalizers: tuple[str, ...] | None = None
    """All of metadata.finalizers, or None where they stay."""
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    """Annotations to set; None removes one."""
    warnings: tuple[str, ...] = ()
    """Sentences that kubectl prints."""
