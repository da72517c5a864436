"""An initramfs: the archive format that the kernel unpacks (newc, Documentation/driver-api/early-userspace).

Written here rather than by cpio(1), so that equal inputs give equal bytes: no times, owners or inode numbers
of the building machine get in.
"""

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One file, directory, link or device of the archive."""

    name: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def directory(name: str, permissions: int = 0o755) -> Entry:
    return Entry(name, stat.S_IFDIR | permissions)


def file(name: str, content: bytes, *, executable: bool = False) -> Entry:
    return Entry(name, stat.S_IFREG | (0o755 if executable else 0o644), content)


def character_device(name: str, major: int, minor: int) -> Entry:
    return Entry(name, stat.S_IFCHR | 0o600, device=(major, minor))


def tree(root: Path) -> list[Entry]:
    """The regular files below `root`."""
    return [
        file(
            str(path.relative_to(root)),
            path.read_bytes(),
            executable=bool(path.stat().st_mode & stat.S_IXUSR),
        )
        for path in sorted(root.rglob("*"))
        if path.is_file()
    ]


def archive(entries: Iterable[Entry]) -> bytes:
    """The archive; directories that entries need and nobody named are added before them."""
    parts: list[bytes] = []
    seen: set[str] = set()
    for entry in entries:
        parents = [str(parent) for parent in reversed(Path(entry.name).parents) if str(parent) != "."]
        for wanted in (*map(directory, parents), entry):
            if wanted.name in seen:
                continue
            seen.add(wanted.name)
            parts.append(_record(wanted, len(seen)))
    parts.append(_record(Entry("TRAILER!!!", 0), 0))
    return b"".join(parts)


def _record(entry: Entry, inode: int) -> bytes:
    name = entry.name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, *entry.device, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + name) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
