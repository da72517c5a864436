"""What files of the cache are called (pure): by what they are made of, and by what they are for.

A disk is `<served>` or, where the file is not what was served, `<served>.<content>`: so bytes that two Images
unpack in two ways are two files. A kernel or initial RAM disk is `boot-<served>`: nobody looked into it, so it
must never be found as a disk. Both digests are sha256 in hex.
"""

from __future__ import annotations

import re

PATTERN = r"(?:boot-)?[0-9a-f]{64}(?:\.[0-9a-f]{64})?"
_NAME = re.compile(r"(?:boot-)?([0-9a-f]{64})(?:\.[0-9a-f]{64})?")


def disk_name(served: str, content: str | None) -> str:
    """Of a disk; `content` is the digest of the file, where it is another one."""
    name = _hex(served)
    return name if content is None or content == served else f"{name}.{_hex(content)}"


def boot_name(served: str) -> str:
    """Of a kernel or an initial RAM disk."""
    return f"boot-{_hex(served)}"


def served_digest(name: str) -> str | None:
    """The digest as served of the file that has this name; None where it is no name of the cache's."""
    match = _NAME.fullmatch(name)
    return None if match is None else f"sha256:{match.group(1)}"


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
