"""What is remembered of Images between looks: since when a fetch failed, and which wait for a node to take them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from orlop_api.hypervisor import Hypervisor, ImportState
from orlop_api.image import Image
from orlop_operator.store import Change, Key


class Waiting:
    """Each namespace has a line of its own; the first of each line is asked when a node can take another one."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed_since: dict[tuple[str, int], float] = {}
        self._lines: dict[str, dict[Key, None]] = {}

    def failed_for(self, image: Image, hosts: Iterable[Hypervisor]) -> dict[int, float]:
        """Seconds since the failure of each generation of its order was first seen."""
        uid, now = image.metadata.uid, self._clock()
        for host in hosts:
            for report in host.status.imports if host.status else ():
                if report.image_uid == uid and report.state is ImportState.FAILED:
                    self._failed_since.setdefault((uid, report.generation), now)
        if image.status is not None and image.status.digest is not None:
            self._failed_since = {key: at for key, at in self._failed_since.items() if key[0] != uid}
        return {g: now - since for (u, g), since in self._failed_since.items() if u == uid}

    def forget(self, known: Collection[str]) -> None:
        """All but the Images with these uids."""
        self._failed_since = {key: since for key, since in self._failed_since.items() if key[0] in known}

    def stand(self, key: Key) -> None:
        """It waits; where it stood before, if it did."""
        self._lines.setdefault(key.namespace, {})[key] = None

    def leave(self, key: Key) -> Key | None:
        """It waits no more, for whatever reason; who is first of its line now, if it was."""
        line = self._lines.get(key.namespace, {})
        was_first = next(iter(line), None) == key
        line.pop(key, None)
        if not line:
            self._lines.pop(key.namespace, None)
        return next(iter(line), None) if was_first else None

    def called(self, change: Change) -> list[Key]:
        """The first of every line, where a node has fewer imports than before."""
        if _imports(change.new) >= _imports(change.old):
            return []
        return [next(iter(line)) for line in self._lines.values()]


def _imports(thing: object) -> int:
    return len(thing.spec.imports) if isinstance(thing, Hypervisor) else 0
