"""Bytes that a file takes in pieces."""

import errno
import io
import os
import signal
import threading
import time

import pytest

from orlop_agent.image.sparse import SparseWriter
from orlop_agent.image.whole import write_whole


class Full(io.BytesIO):
    """A disk with room for so many bytes; what fits is taken, as write(2) does."""

    def __init__(self, room):
        super().__init__()
        self.room = room

    def write(self, data):
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = min(self.room, len(data))
        self.room -= taken
        return super().write(bytes(data[:taken]))


def test_a_write_that_a_signal_breaks_off_goes_on():
    """More than a pipe holds, by a thread that is woken in the middle."""
    data = os.urandom(1 << 20)
    read, write = os.pipe()
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with os.fdopen(write, "wb", buffering=0) as pipe, os.fdopen(read, "rb") as source:

            def feed():
                write_whole(pipe, data)
                pipe.close()

            thread = threading.Thread(target=feed)
            thread.start()
            got = source.read(1)
            for _ in range(20):
                # Until the thread waits for room again; whenever it is woken must not matter.
                time.sleep(0.002)
                signal.pthread_kill(thread.ident, signal.SIGUSR1)
                got += source.read(4096)
            got += source.read()
            thread.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert got == data


def test_a_disk_that_is_full_in_the_middle_is_an_error():
    with pytest.raises(OSError, match="No space left"):
        write_whole(Full(10), b"x" * 11)
    file = Full(100_000)
    with pytest.raises(OSError, match="No space left"):
        SparseWriter(file).write(b"x" * 100_001)
