"""All of the bytes, or an error."""

from __future__ import annotations

from typing import BinaryIO


def write_whole(file: BinaryIO, data: bytes | memoryview) -> None:
    """Write all of it to a file without a buffer, which takes less when it likes to. OSError.

    A disk that fills up takes what fits (write(2)). A pipe takes less when the thread is woken: by a child that
    ends just while another one is started, as the kernel tells that to whichever thread does not block SIGCHLD.
    """
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
