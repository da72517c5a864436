"""Processor time and memory of Orlop's own processes, as this machine's /proc gives them."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Footprint:
    """Seconds of processor time so far (children that ended included), and PSS in MiB."""

    cpu: float
    memory: float


def of(program: str, cluster: str) -> Footprint:
    """All processes of this program in every container of the cluster of this name on this machine."""
    cpu = memory = 0.0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if not any(word.endswith(f"/{program}".encode()) for word in words[:3]):
                continue
            if f"/orlop-{cluster}/" not in (folder / "cgroup").read_text():
                continue
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            cpu += sum(int(field) for field in fields[11:15]) / _TICKS
            rollup = (folder / "smaps_rollup").read_text()
            memory += (
                next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
            )
        except (FileNotFoundError, ProcessLookupError):  # ended while we looked
            continue
    return Footprint(cpu, memory)
