"""Sockets of other network namespaces."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

_CLONE_NEWNET = 0x40000000


def made_inside(namespace: Path, make: Callable[[], socket.socket]) -> socket.socket:
    """A socket of another network namespace. Raises OSError."""
    made: list[socket.socket | OSError] = []

    def enter_and_make() -> None:
        try:
            _enter(namespace)
            made.append(make())
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=enter_and_make, name="socket of a namespace")
    thread.start()
    thread.join()
    (found,) = made
    if isinstance(found, OSError):
        raise found
    return found


def _enter(namespace: Path) -> None:
    """Moves the thread that calls it, for good (setns(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    with namespace.open("rb") as target:
        if libc.setns(target.fileno(), _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
