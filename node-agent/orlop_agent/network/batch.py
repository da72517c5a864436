"""Batches of ip(8) and bridge(8): one process for many changes, and each failure judged by itself.

With -force a batch goes on after a line that failed and says which it was: `<reason>` and then
`Command failed -:<line number>`, both on standard error (iproute2, lib/utils.c do_batch).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

EXISTS = ("File exists", "Address already assigned", "address already assigned")
"""EEXIST: an earlier try made it. Linux 6.x says more about addresses, of IPv6 in small letters."""
NO_DEVICE = ("Cannot find device", "No such device")
"""It went already."""
NO_ENTRY = ("No such file or directory", "No such process", *NO_DEVICE)
"""The forwarding or neighbour entry went already."""
BUSY = ("Device or resource busy",)
"""TUNSETIFF on a tap that an earlier try made (iproute2 asks for IFF_TUN_EXCL)."""

_FAILED = re.compile(r"Command failed -:(\d+)")


@dataclass(frozen=True, slots=True)
class Line:
    """One command, and the words of those failures that mean: it is so already."""

    text: str
    fine: tuple[str, ...] = ()


def script(lines: Sequence[Line]) -> str:
    return "".join(f"{line.text}\n" for line in lines)


def failures(lines: Sequence[Line], errors: str) -> list[str]:
    """What went wrong, one sentence a line of the batch, less what is fine."""
    found: list[str] = []
    said: list[str] = []
    for error in errors.splitlines():
        match = _FAILED.fullmatch(error.strip())
        if not match:
            said.append(error.strip())
            continue
        line = lines[int(match[1]) - 1]
        reason = " ".join(said)
        said = []
        if not any(words in reason for words in line.fine):
            found.append(f"{line.text}: {reason}")
    return found
