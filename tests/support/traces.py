"""What a machine knows: whole lists, to be the same after a cluster as before it.

Left out is only what others do meanwhile: other clusters that live, and processes of somebody else's.
"""

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


@dataclass
class Process:
    """One line of the process table (proc(5))."""

    number: int
    begun: int
    parent: int
    state: str
    words: str
    groups: str
    namespaces: frozenset[str] = field(default_factory=frozenset)

    @property
    def identity(self) -> tuple[int, int]:
        """Numbers come again; with the time it began a process is named for good."""
        return self.number, self.begun


def processes() -> dict[int, Process]:
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        # It may end while it is looked at.
        with suppress(OSError):
            # The name is in brackets and may hold anything, so the fields begin after the last of them.
            after = (entry / "stat").read_text().rpartition(")")[2].split()
            number = int(entry.name)
            found[number] = Process(
                number=number, begun=int(after[19]), parent=int(after[1]), state=after[0],
                words=(entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip(),
                groups=(entry / "cgroup").read_text(),
            )  # fmt: skip
            if after[0] != "Z":
                found[number].namespaces = frozenset(
                    str((entry / "ns" / kind).readlink()) for kind in NAMESPACES
                )
    return found


def whose(process: Process, table: dict[int, Process]) -> Process:
    """The eldest ancestor below the machine's init, or below what took an orphan in."""
    while process.parent > 2 and process.parent in table:
        process = table[process.parent]
    return process


@dataclass(frozen=True)
class Traces:
    """Everything at one moment."""

    processes: dict[tuple[int, int], str]
    namespaces: frozenset[str]
    mounts: frozenset[str]
    links: frozenset[str]
    named_namespaces: frozenset[str]
    cgroups: frozenset[str]
    files: frozenset[str]

    def left(self, before: "Traces", name: str) -> dict[str, list[str]]:
        """What is there now and was not, by kind; empty when nothing was left."""
        table, old = processes(), set(before.processes)
        found: dict[str, list[str]] = {"processes": []}
        for process in table.values():
            if (
                process.identity in old
                or process.parent == 2
                or ended(process)
                or others(process.groups, name)
            ):
                continue
            # A child of a process that was there before is that one's; what is left behind has no such parent.
            eldest = whose(process, table)
            if eldest.identity not in old or name in process.words + process.groups:
                found["processes"].append(f"{process.number} {process.words}")
        for kind in ("mounts", "links", "named_namespaces", "cgroups", "files"):
            new = getattr(self, kind) - getattr(before, kind)
            found[kind] = sorted(item for item in new if not others(item, name))
        return {kind: items for kind, items in found.items() if items}


def ended(process: Process) -> bool:
    """A process that has ended and whom the machine's init has yet to notice is nobody's any more."""
    return process.state == "Z"


def others(text: str, name: str) -> bool:
    """Whether it belongs to another cluster that lives."""
    clusters = set(re.findall(r"\borlop-([\w-]+?)(?=[/\s]|$)", text)) | set(
        re.findall(r"clusters/([\w-]+)", text)
    )
    return bool(clusters) and name not in text


def take(checkout: Path) -> Traces:
    """Look at the machine."""
    table = processes()
    mounts = (line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines())
    state = [checkout / ".orlop", checkout / ".orlop" / "clusters"]
    return Traces(
        processes={process.identity: process.words for process in table.values()},
        namespaces=frozenset(n for process in table.values() for n in process.namespaces),
        mounts=frozenset(" ".join((fields[4], *fields[fields.index("-") + 1 :])) for fields in mounts),
        links=frozenset(path.name for path in Path("/sys/class/net").iterdir()),
        named_namespaces=frozenset(path.name for path in Path("/run/netns").glob("*")),
        cgroups=frozenset(parent for parent, *_ in os.walk(CGROUPS)),
        files=frozenset(
            str(path)
            for parent in (
                *state,
                Path("/lib"),
                Path(os.environ.get("TMPDIR", "/tmp")),
                Path("/run"),
                Path("/etc/cni"),
                Path("/var/lib/cni"),
            )
            for path in (parent.iterdir() if parent.is_dir() else ())
            if parent != Path("/lib") or path.name == "modules"
        ),
    )
