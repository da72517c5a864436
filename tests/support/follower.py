"""Lines that a command on a node prints, each with the time at which it was printed there."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from orlop_cluster.lab import until
from support.lab import Cluster

_LINES = 'while read -r line; do echo "$EPOCHREALTIME {about}$line"; {also}done'
"""The shell's own clock: a program for each line would be late where the processors are busy."""
_EVENTS = "stdbuf -oL virsh 'hostname; event --event lifecycle --loop' | "
"""The host's name comes once virsh is connected, which it does not say otherwise."""
_CONSOLE = (
    'if [[ $line == *"\'orlop-"*Resumed* ]]; then'
    " uid=${line#*orlop-}; uid=${uid%%\\'*}; tail -n +1 -F /var/log/orlop/console/$uid.log 2>/dev/null | "
    + _LINES.format(about="$uid ", also="")
    + " & fi; "
)
"""Begun on the node: whoever asked the API server which Instance it is would take the guest its processor."""


_UNTIL_LET_GO = "({command}) & cat >/dev/null; kill 0"
"""What podman or Docker runs in a node is no child of who asked for it and would outlive it: it ends with its input."""


@dataclass
class Follower:
    """Follows while the block lasts."""

    cluster: Cluster
    node: str
    command: str
    lines: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        argv = [*self.cluster.into(self.node), "bash", "-c", _UNTIL_LET_GO.format(command=self.command)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, start_new_session=True)
        self.thread = threading.Thread(
            target=lambda: self.lines.extend(iter(self.process.stdout.readline, "")), daemon=True
        )
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        # The whole group: what entered the node is a grandchild, and holds the pipe.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.thread.join(10)
        self.process.stdout.close()

    def first(self, about: str, *words: str, seconds: float = 60) -> float:
        """When a line about this was printed first; of more words the first that such a line has counts."""

        def look() -> str:
            its = [line for line in list(self.lines) if about in line]
            return next((line for word in words or ("",) for line in its if word in line), "")

        return float(until(look, bool, seconds).split()[0])


@contextmanager
def libvirts_events(cluster: Cluster, node: str, *, consoles: bool = False) -> Iterator[Follower]:
    """What happens to a node's domains; with `consoles`, and by uid what guests of Orlop's say once they run."""
    with Follower(
        cluster, node, _EVENTS + _LINES.format(about="", also=_CONSOLE if consoles else "")
    ) as events:
        events.first("")
        yield events
