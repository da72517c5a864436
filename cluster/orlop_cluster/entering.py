"""A node of a sealed cluster, entered by its namespaces alone.

`nodes.command` asks kind for the names and podman to go there: over half a second of a processor each time, and tests
look into nodes some thousand times.
"""

from pathlib import Path

from orlop_cluster.lifecycle import sealed
from orlop_cluster.nodes import full_name
from orlop_cluster.process import StepError
from orlop_cluster.sealed import Sealed

ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "TERM=xterm",
    "container=podman",
)
"""As podman gives it to what it runs there."""
_NAMESPACES = ("mount", "uts", "ipc", "net", "pid", "cgroup")


def entered(cluster: Sealed, node: str) -> list[str | Path]:
    """What stands before a command to run it in the node. Raises StepError where the node is off, or not there."""
    enter = ["nsenter", f"--target={_first_process(cluster, node)}", *(f"--{kind}" for kind in _NAMESPACES)]
    return cluster.inside([*enter, "--", "env", "--ignore-environment", *ENVIRONMENT])


def _first_process(cluster: Sealed, node: str) -> str:
    """Its number inside the cluster. What was found last is good for as long as that very process is there."""
    remembered = cluster.state / f"process-{node}"
    match remembered.read_text().split() if remembered.exists() else []:
        case process, began if _began(cluster, process) == began:
            return process
    name = full_name(cluster, node)
    process = sealed(cluster, "podman", "container", "inspect", "--format={{.State.Pid}}", name).strip()
    began = _began(cluster, process)
    if process == "0" or not began:
        raise StepError(f"node {name} is off")
    remembered.write_text(f"{process} {began}")
    return process


def _began(cluster: Sealed, process: str) -> str:
    """When a process began (proc_pid_stat(5), field 22), for numbers come again. Empty where it ended."""
    try:
        told = Path(f"/proc/{cluster.record['init']}/root/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return told.rpartition(")")[2].split()[19]
