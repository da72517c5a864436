"""A cluster's own cgroups: one directory per hierarchy, below which all its processes are (cgroups(7))."""

import time
from pathlib import Path

from orlop_cluster.process import StepError

ROOT = Path("/sys/fs/cgroup")


def hierarchies() -> list[Path]:
    """Every mounted hierarchy: one with version 2, one per controller with version 1."""
    if (ROOT / "cgroup.controllers").exists():
        return [ROOT]
    return sorted(
        p for p in ROOT.iterdir() if p.is_dir() and not p.is_symlink() and (p / "cgroup.procs").exists()
    )


def create(name: str) -> list[Path]:
    """Make the cluster's cgroups; return the files that a process writes its id to in order to join."""
    joins = []
    for hierarchy in hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # Version 1: a cpuset starts empty, and nobody can join it so.
            if (group / setting).exists() and not (group / setting).read_text().strip():
                (group / setting).write_text((hierarchy / setting).read_text())
        joins.append(group / "cgroup.procs")
    return joins


def occupied(name: str) -> bool:
    """Whether processes are in them."""
    groups = (group for h in hierarchies() for group in _tree(h / name))
    return any((group / "cgroup.procs").read_text().strip() for group in groups)


def remove(name: str, patience: float = 10.0) -> None:
    """Remove the cluster's cgroups, innermost first.

    A cgroup stays busy for a moment after its last process was killed, with nothing to wait on in version 1:
    hence the retries, for `patience` seconds. Raises StepError naming what is left.
    """
    deadline = time.monotonic() + patience
    while left := [group for h in hierarchies() for group in _tree(h / name)]:
        for group in left:
            try:
                group.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise StepError(f"the cgroup {group} is still in use") from None
        time.sleep(0.05)


def _tree(group: Path) -> list[Path]:
    """A cgroup and all below it, innermost first."""
    if not group.is_dir():
        return []
    return [*(inner for child in group.iterdir() if child.is_dir() for inner in _tree(child)), group]
