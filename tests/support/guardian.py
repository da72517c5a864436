"""Ends what a test run has started, when the run itself was killed and could not:  guardian.py RUNNER MARK

Every process that descends from the runner has MARK in its environment, however often it forked and whoever took
it in. The guardian waits for the runner's end, asks whatever is left to end, and then insists. Then it removes
the run's directories.
"""

import os
import select
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

VARIABLE = "ORLOP_TEST_RUN"
DIRECTORIES = Path("/tmp")
PATIENCE = 60.0
"""Seconds to end by itself: a cluster's supervisor needs a few to take everything down."""


def start() -> None:
    """Mark this process's children to come, and have them watched."""
    mark = f"{VARIABLE}={uuid4()}"
    own = {key: value for key, value in os.environ.items() if key != VARIABLE}
    quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    # Not by subprocess, which wants to know how it ends: that is after us.
    os.posix_spawn(
        sys.executable,
        [sys.executable, __file__, str(os.getpid()), mark],
        own,
        file_actions=quiet,
        setsid=True,
    )
    os.environ[VARIABLE] = mark.partition("=")[2]


def directory(prefix: str) -> Path:
    """A new one with a short path, outside pytest's own, which is root's; at the latest the guardian removes it."""
    run = os.environ[VARIABLE]
    return Path(tempfile.mkdtemp(prefix=f"{prefix}-{run[:8]}-", dir=DIRECTORIES))


def marked(mark: str) -> list[int]:
    """Processes with this mark; those that have ended and wait to be noticed have no environment any more."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def end(mark: str) -> None:
    """Until none is left."""
    deadline = time.monotonic() + PATIENCE
    for signum in (signal.SIGTERM, signal.SIGKILL):
        asked: set[int] = set()
        while (left := marked(mark)) and (signum == signal.SIGKILL or time.monotonic() < deadline):
            for pid in set(left) - asked:
                with suppress(ProcessLookupError):
                    os.kill(pid, signum)
            asked.update(left)
            time.sleep(0.2)


def main() -> None:
    with suppress(ProcessLookupError):
        select.select([os.pidfd_open(int(sys.argv[1]))], [], [])
    end(sys.argv[2])
    for left in DIRECTORIES.glob(f"*-{sys.argv[2].partition('=')[2][:8]}-*"):
        shutil.rmtree(left, ignore_errors=True)


if __name__ == "__main__":
    main()
