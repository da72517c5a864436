"""What `make scale` measured: one file for all sections, and the words for how long things took.

    def test_decisions(show_table):
        found = measure(...)
        scale.record("decision", found)
        show_table("decision alone", ("hosts", "decisions/s"), rows)

Only the large forms record; the small ones of `make test` check the same code and keep nothing.
"""

import fcntl
import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orlop_cluster.lab import ROOT

FILE = ROOT / ".orlop/scale.json"


def record(section: str, data: Mapping[str, Any], file: Path = FILE) -> None:
    """Put the section into the file, in place of its last one; other sections stay. Says when and where it was."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = {
            **recorded(file),
            section: {**data, "measured": datetime.now(UTC).date().isoformat(), "on": machine()},
        }
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
        fresh.replace(file)


def recorded(file: Path = FILE) -> dict[str, Any]:
    """All sections."""
    return json.loads(file.read_text()) if file.exists() else {}


def machine() -> str:
    """Cores and processor, and the Python that ran."""
    names = [
        line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")
    ]
    model = names[0] if names else platform.machine()
    return f"{len(os.sched_getaffinity(0))} cores of {model}, Python {platform.python_version()}"


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def spread(values: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99."""
    return {"p50": statistics.median(values), "p95": quantile(values, 0.95), "p99": quantile(values, 0.99)}


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
