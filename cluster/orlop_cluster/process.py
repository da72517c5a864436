"""Run other programs: checked, and with the output in the error."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

QUIET = "ORLOP_QUIET"
"""Environment variable: say nothing of the steps."""


class StepError(Exception):
    """A step that could not be done; its text is one for the person at the terminal."""


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    timeout: float | None = None,
) -> str:
    """Run to the end and return standard output.

    `env` is added to this process's. Raises StepError with the end of the program's output if it ends with
    another status than 0, is not there, or takes longer than `timeout` seconds.
    """
    try:
        done = subprocess.run(
            argv,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            timeout=timeout,
            check=False,
            text=True,
            capture_output=True,
            **({"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}),
        )
    except FileNotFoundError as missing:
        raise StepError(f"{argv[0]} is not on this machine") from missing
    except subprocess.TimeoutExpired as late:
        raise StepError(f"`{shown(argv)}` did not end within {timeout} s") from late
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-30:])
        raise StepError(f"`{shown(argv)}` ended with status {done.returncode}:\n{tail}")
    return done.stdout


def shown(argv: Sequence[str | Path]) -> str:
    """The command in one line, shortened."""
    line = " ".join(str(a) for a in argv).replace("\n", " ")
    return line if len(line) <= 160 else line[:157] + "..."


def say(text: str) -> None:
    """Tell the person what happens, on stderr: standard output belongs to what was asked for."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step, and print the seconds it took; neither where QUIET is set."""
    if os.environ.get(QUIET):
        yield
        return
    begun = time.monotonic()
    say(f"  · {title} …")
    yield
    say(f"  ✓ {title} ({time.monotonic() - begun:.1f} s)")
