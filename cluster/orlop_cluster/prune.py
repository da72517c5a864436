"""Drop what the cache holds of older sources: for each kind the newest few stay, and whatever runs."""

import shutil
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from orlop_cluster.places import cache_root
from orlop_cluster.process import say

KEPT = 2
"""Per kind: the present one, and the one before, for whoever goes back and forth between two branches."""
KINDS = ("debian", "kube", "node", "python")


@dataclass(frozen=True)
class Entry:
    """Something in the cache that is named by a hash."""

    path: Path
    family: str
    age: float
    """When it was made, in seconds since 1970."""


def stale(entries: Iterable[Entry], used: Iterable[str]) -> list[Path]:
    """What may go: all but the newest of each family, and but what a path in `used` is in or below."""
    families: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        families[entry.family].append(entry)
    old = [
        entry.path
        for family in families.values()
        for entry in sorted(family, key=lambda entry: entry.age, reverse=True)[KEPT:]
    ]
    busy = list(used)
    return [path for path in old if not any(str(path) in text for text in busy)]


def entries() -> list[Entry]:
    """All that is named by a hash, without what is being built at this moment."""
    found = []
    for kind in KINDS:
        for path in (cache_root() / kind).glob("*"):
            stem, _, key = path.name.removesuffix(".tar").rpartition("-")
            if len(key) == 16 and not set(key) - set("0123456789abcdef"):
                found.append(Entry(path, f"{kind}/{stem}{path.suffix}", path.stat().st_mtime))
    return found


def in_use() -> list[str]:
    """Programs that run, and mounts, of all processes: clusters of other checkouts share the cache."""
    seen: set[str] = set()
    for process in Path("/proc").glob("[0-9]*"):
        # A process may end while it is looked at, and a kernel thread has no program.
        with suppress(OSError):
            seen.update((process / "mountinfo").read_text().splitlines())
        with suppress(OSError):
            seen.add(str((process / "exe").readlink()))
    return [text for text in seen if str(cache_root()) in text]


def prune() -> None:
    """Remove what is stale, and say how much that was."""
    old = stale(entries(), in_use())
    for path in old:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
            path.with_name(path.name + ".sha256").unlink(missing_ok=True)
    if old:
        say(f"  dropped {len(old)} entries of older sources from {cache_root()}")
