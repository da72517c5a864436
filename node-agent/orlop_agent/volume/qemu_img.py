"""qemu-img, called with every format said and nothing taken from a shell."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orlop_agent.domain.spec import Disk, DiskFile, DiskSource, IscsiUnit, NbdExport, NbdSocket
from orlop_agent.failure import StepError

_DEADLINE = 60.0
_PERCENT = re.compile(rb"\((\d+\.\d+)/100%\)")
_SLOWEST = 4 << 20
"""Bytes a second below which a copy counts as stuck."""
CHAP = "chap"
"""Name of QEMU's object that holds the secret of an account."""
_at_once = asyncio.Semaphore(4)
_copies_at_once = asyncio.Semaphore(4)
"""Copies take as long as the data is large: they wait for each other, and nothing that is quick waits for them."""


async def create(
    path: Path, size: int, *, form: str = "qcow2", preallocation: str = "off", base: Disk | None = None
) -> None:
    """Make an empty disk of `size` bytes, over a read-only base where one is given.

    Raises StepError with reason DiskNotMade.
    """
    options = f"preallocation={preallocation}"
    if form == "qcow2":
        options += ",lazy_refcounts=off"
    over = [] if base is None else ["-b", operand(base.source), "-F", base.format, "-u"]
    written = size if preallocation == "full" else 0
    await _run("create", "-q", "-f", form, "-o", options, *over, str(path), str(size), patience=written)


async def convert(
    origin: Disk,
    target: Path,
    form: str,
    size: int,
    *,
    preallocation: str = "off",
    tell: Callable[[float], None] | None = None,
) -> None:
    """Make the file a copy of a disk of `size` bytes, holes kept, nothing below it. StepError: DiskNotMade.

    `tell` hears how many percent are done.
    """
    source, where = operand(origin.source), str(target)
    options = f"preallocation={preallocation}"
    said = "-q" if tell is None else "-p"
    command = ("convert", said, "-f", origin.format, "-O", form, "-o", options, source, where)
    await _run(*command, patience=2 * size, tell=tell)


async def fill(origin: Disk, target: Disk, size: int) -> None:
    """Write the whole of a disk of `size` bytes onto a target that is there. StepError: DiskNotMade."""
    source, where = operand(origin.source), operand(target.source)
    await _run("convert", "-q", "-n", "-f", origin.format, "-O", target.format, source, where, patience=size)


async def resize(disk: Disk, size: int) -> None:
    """Give a disk that nobody uses another size, in bytes. StepError: DiskNotMade."""
    await _run("resize", "-q", "-f", disk.format, operand(disk.source), str(size))


async def virtual_size(disk: Disk) -> int:
    """Bytes that a guest sees; it may be running (-U: the size is read without the lock). StepError."""
    said = await _run("info", "-U", "-f", disk.format, "--output=json", operand(disk.source))
    return int(json.loads(said)["virtual-size"])


def operand(source: DiskSource) -> str:
    """How qemu-img is told what to open. What is no path is a json: name (qemu(1), "Disk images")."""
    match source:
        case DiskFile(path):
            return str(path)
        case NbdExport(host, port, export):
            server = {"type": "inet", "host": host, "port": str(port)}
            return _json({"driver": "nbd", "server": server, "export": export})
        case IscsiUnit(host, port, target, lun, account):
            unit = {
                "driver": "iscsi",
                "transport": "tcp",
                "portal": f"{host}:{port}",
                "target": target,
                "lun": lun,
            }
            # What a `secret` object of this name holds, as qemu(1) has it, is for whoever calls to give.
            chap = {} if account is None else {"user": account, "password-secret": CHAP}
            return _json(unit | chap)
        case NbdSocket(socket, export):
            server = {"type": "unix", "path": str(socket)}
            return _json({"driver": "nbd", "server": server, "export": export})


def _json(options: dict[str, Any]) -> str:
    """The protocol alone: the format on top of it is -f's."""
    return f"json:{json.dumps({'file': options})}"


async def _heard(
    process: asyncio.subprocess.Process, tell: Callable[[float], None] | None
) -> tuple[bytes, bytes]:
    """What it says on both ways until it ends; with `tell` the first is how far it is, and not kept."""
    if tell is None or process.stdout is None or process.stderr is None:
        return await process.communicate()

    async def follow(stream: asyncio.StreamReader) -> None:
        while said := await stream.read(1 << 12):
            if found := _PERCENT.findall(said):
                tell(float(found[-1]))

    _, said, _ = await asyncio.gather(follow(process.stdout), process.stderr.read(), process.wait())
    return b"", said


async def _run(*arguments: str, patience: int = 0, tell: Callable[[float], None] | None = None) -> bytes:
    """What it printed. `patience`: bytes that it has to move, at most."""
    deadline = _DEADLINE + patience / _SLOWEST
    async with _copies_at_once if arguments[0] == "convert" else _at_once:
        process = await asyncio.create_subprocess_exec(
            "qemu-img",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            printed, said = await asyncio.wait_for(_heard(process, tell), deadline)
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise StepError("DiskNotMade", f"working on a disk took longer than {deadline:.0f} s") from error
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
    if process.returncode:
        # The program's own words name paths of this node; the last part after the colon is the cause.
        cause = said.decode(errors="replace").strip().rpartition(":")[2].strip()
        raise StepError("DiskNotMade", f"qemu-img {arguments[0]}: {cause or 'unknown cause'}")
    return printed
