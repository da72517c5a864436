"""Run simulated nodes until SIGTERM:  python -m orlop_agent.simulation --kubeconfig FILE --nodes 100

Says `working` on standard output when all agents run, and the rest on standard error. What is simulated:
docs/explanation/cluster.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orlop_agent import logs
from orlop_agent.simulation.fleet import Fleet, NoTokenError, names
from orlop_agent.simulation.latencies import Latencies
from orlop_api.capacity import Capacity
from orlop_api.quantity import to_bytes


def parser() -> argparse.ArgumentParser:
    """What may be said of the nodes."""
    said = argparse.ArgumentParser(prog="orlop-simulation", description=__doc__)
    said.add_argument("--kubeconfig", type=Path, required=True, help="of an administrator with a token")
    said.add_argument("--nodes", type=int, required=True, help="how many")
    said.add_argument("--prefix", default="sim", help="of their names (default: sim, for sim-0001)")
    said.add_argument("--directory", type=Path, help="for what the nodes keep (default: one in memory)")
    said.add_argument("--vcpus", type=int, default=64, help="of each node, for guests (default: 64)")
    said.add_argument("--memory", default="256Gi", help="of each node, for guests (default: 256Gi)")
    said.add_argument("--disk", default="4Ti", help="of each node, for guests (default: 4Ti)")
    for part, what in (
        ("image", "a fetch of an image takes"),
        ("disk", "a disk takes"),
        ("network", "the network of an Instance takes"),
        ("define", "a domain takes to be made"),
        ("start", "a domain takes to run"),
    ):
        said.add_argument(f"--{part}-seconds", type=float, default=0.0, help=f"{what} (default: 0)")
    return said


async def run(asked: argparse.Namespace, directory: Path) -> None:
    """Be the nodes."""
    capacity = Capacity(
        vcpus=asked.vcpus, memory_bytes=to_bytes(asked.memory), disk_bytes=to_bytes(asked.disk)
    )
    latencies = Latencies(
        asked.image_seconds,
        asked.disk_seconds,
        asked.network_seconds,
        asked.define_seconds,
        asked.start_seconds,
    )
    fleet = Fleet(asked.kubeconfig, directory, capacity, latencies)
    working = asyncio.Event()
    work = asyncio.create_task(fleet.run(names(asked.prefix, asked.nodes), working))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    told = asyncio.create_task(_tell(working))
    try:
        await work
    except asyncio.CancelledError:
        return
    finally:
        told.cancel()


async def _tell(working: asyncio.Event) -> None:
    await working.wait()
    sys.stdout.write("working\n")
    sys.stdout.flush()


@contextmanager
def _place(chosen: Path | None) -> Iterator[Path]:
    """Where the nodes keep what they keep; what was chosen is left to who chose it."""
    if chosen is not None:
        yield chosen
        return
    memory = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
    with tempfile.TemporaryDirectory(
        prefix="orlop-simulated-", dir=memory if memory.is_dir() else None
    ) as made:
        yield Path(made)


def main() -> int:
    """The exit status."""
    asked = parser().parse_args()
    # Standard output has one word, which others wait for.
    logs.configure(os.environ.get("ORLOP_LOG_LEVEL", "WARNING"), sys.stderr)
    # Each node has connections of its own: three and, with guests, one for each Network and namespace of theirs.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with _place(asked.directory) as directory:
        try:
            asyncio.run(run(asked, directory))
        except NoTokenError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
