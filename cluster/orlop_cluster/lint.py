"""Runs every static check, says how long each took, and fails when one of them does."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

_BIN = Path(sys.executable).parent
_CHECKS: tuple[tuple[str, ...], ...] = (
    ("ruff", "check", "--quiet"),
    ("ruff", "format", "--check", "--quiet"),
    ("mypy",),
    ("lint-imports",),
    ("deptry", ".", "--no-ansi"),
    ("codespell",),
)


def main() -> int:
    """The exit status: 0 when every check passes."""
    failed = []
    for program, *arguments in _CHECKS:
        started = time.monotonic()
        done = subprocess.run(
            [str(_BIN / program), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        name = " ".join((program, *arguments))
        print(
            f"lint: {name}: {'ok' if done.returncode == 0 else 'FAILED'} ({time.monotonic() - started:.1f} s)"
        )
        if done.returncode:
            failed.append(name)
            print(done.stdout)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
