"""One shell on a node for many commands: to come to the node again costs more than what some tests measure there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from orlop_cluster.lab import DEV
from support.lab import Cluster

_END = "ENDED-WITH"


class NodeShell:
    """A bash that waits for the next command."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        if process.stdin is None or process.stdout is None:
            raise AssertionError
        self._given, self._said = process.stdin, process.stdout

    def run(self, text: str) -> str:
        """What the script printed; AssertionError with that where a command of it failed."""
        self._given.write(f"(set -e\n{text}\n) </dev/null 2>&1; echo; echo {_END} $?\n")
        self._given.flush()
        said = []
        for line in self._said:
            if line.startswith(_END):
                assert line.split()[1] == "0", f"{text}\n{''.join(said)}"
                return "".join(said).removesuffix("\n")
            said.append(line)
        raise AssertionError(f"the shell ended at\n{text}\n{''.join(said)}")


@contextmanager
def node_shell(cluster: Cluster, node: str) -> Iterator[NodeShell]:
    """It ends with the block."""
    command = [str(DEV), "exec", "--name", cluster.name, node, "--", "bash"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield NodeShell(process)
