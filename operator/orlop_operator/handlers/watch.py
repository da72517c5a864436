"""kopf's watch events: put the object into the store. Importing this registers the handlers.

Nothing is decided here, and nothing is awaited: kopf drops what a handler fails at, so work is only
enqueued (by the store's listener), and tried again by our own queue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kopf

from orlop_operator.kinds import BY_NAME, WATCHED, Kind

Sink = Callable[[Kind[Any], str, dict[str, Any]], None]
"""Takes the kind, the event's type (ADDED, MODIFIED, DELETED, or empty for the first listing), and the object."""


async def _event(*, event: Any, memo: kopf.Memo, resource: kopf.Resource, **_: Any) -> None:
    sink: Sink = memo.sink
    kind = BY_NAME.get(resource.kind or "")
    if kind is not None:
        sink(kind, event["type"] or "", dict(event["object"]))


for _kind in WATCHED:
    kopf.on.event(_kind.group, _kind.version, _kind.plural, id=f"watch-{_kind.plural}")(_event)
