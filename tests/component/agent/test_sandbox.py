"""Confined programs, killed while they start."""

import asyncio
import random
import time
from pathlib import Path

import pytest

from orlop_agent import sandbox

LIMITS = sandbox.Limits(memory=1 << 28, processor_seconds=10, file_bytes=0)
ROUNDS = 60
SLEEP = "86397"


def sleeping() -> list[str]:
    """Processes with our sleep among their arguments, in whatever PID namespace."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = place.read_bytes().decode(errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if SLEEP in arguments:
            found.append(arguments[0])
    return found


async def test_a_kill_at_any_moment_of_the_start_ends_it():
    command = sandbox.command(["sleep", SLEEP], LIMITS)
    for _ in range(ROUNDS):
        # A start takes some 10 to 30 ms; bubblewrap has cloned its child somewhere in it.
        moment = random.uniform(0, 0.03)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                await sandbox.run(command, moment)
    deadline = time.monotonic() + 10
    while (left := sleeping()) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    assert left == []


async def test_a_program_that_ends_by_itself_says_how():
    told = await sandbox.run(sandbox.command(["sh", "-c", "echo no >&2; echo why >&2; exit 7"], LIMITS), 20)
    assert told == (7, "why")
