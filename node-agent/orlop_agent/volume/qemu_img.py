"""qemu-img, called with every format said and nothing taken from a shell."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orlop_agent.domain.spec import (
    Disk,
    DiskFile,
    DiskSource,
    IscsiUnit,
    Luks,
    NbdExport,
    NbdSocket,
    RbdImage,
)
from orlop_agent.failure import StepError
from orlop_agent.volume import luks

_DEADLINE = 60.0
_PERCENT = re.compile(rb"\((\d+\.\d+)/100%\)")
_SLOWEST = 4 << 20
"""Bytes a second below which a copy counts as stuck."""
CHAP = "chap"
"""Name of QEMU's object that holds the secret of an account."""
_UNMEASURED = "Unable to get accurate CPU usage"
_TRIES = 5
_KEY_WRONG = (
    "the passphrase does not open the encrypted data: its Secret must hold what it held when that was made; nothing is"
    " lost, and it is tried again"
)
_at_once = asyncio.Semaphore(4)
_copies_at_once = asyncio.Semaphore(4)
"""Copies take as long as the data is large: they wait for each other, and nothing that is quick waits for them."""


async def create(
    path: Path,
    size: int,
    *,
    form: str = "qcow2",
    preallocation: str = "off",
    base: Disk | None = None,
    sealed: Luks | None = None,
    milliseconds: int | None = None,
) -> None:
    """Make an empty disk of `size` bytes, over a read-only base where one is given.

    `milliseconds`: of a processor, about, that opening an encrypted one takes, where that is not as many as usual.
    Raises StepError: DiskNotMade.
    """
    made = Disk(DiskFile(path), form, luks=sealed)
    options = f"preallocation={preallocation}{_encrypted(made, milliseconds)}"
    if form == "qcow2":
        options += ",lazy_refcounts=off"
    over = [] if base is None else ["-b", operand(base.source), "-F", base.format, "-u"]
    written = size if preallocation == "full" else 0
    where = [str(path), str(size)]
    await _run(
        "create", "-q", "-f", layer(made), "-o", options, *over, *where, patience=written, keys=_keys(made)
    )


async def convert(
    origin: Disk,
    target: Disk,
    size: int,
    *,
    preallocation: str = "off",
    tell: Callable[[float], None] | None = None,
) -> None:
    """Make the target's file a copy of a disk of `size` bytes, holes kept, nothing below it.

    `tell` hears how many percent are done. StepError: DiskNotMade, DiskFull, and KeyWrong where an encrypted origin has
    another passphrase than the target.
    """
    options = f"preallocation={preallocation}{_encrypted(target)}"
    said = "-q" if tell is None else "-p"
    formats = ("-f", layer(origin), "-O", layer(target), "-o", options)
    command = ("convert", said, *formats, opened(origin), operand(target.source))
    await _run(*command, patience=2 * size, tell=tell, keys=_keys(origin, target))


async def fill(origin: Disk, target: Disk, size: int, tell: Callable[[float], None] | None = None) -> None:
    """Write a disk of `size` bytes onto a target that is there and reads as zeros. StepError: DiskNotMade."""
    said, way = "-q" if tell is None else "-p", ("-n", "--target-is-zero")
    formats = ("-f", origin.format, "-O", target.format)
    command = ("convert", said, *way, *formats, operand(origin.source), operand(target.source))
    await _run(*command, patience=size, tell=tell, keys=keys_of(origin.source) | keys_of(target.source))


async def resize(disk: Disk, size: int) -> None:
    """Give a disk that nobody uses another size, in bytes. StepError: DiskNotMade."""
    await _run("resize", "-q", "-f", layer(disk), opened(disk), str(size), keys=_keys(disk))


async def virtual_size(disk: Disk) -> int:
    """Bytes that a guest sees; it may be running (-U: the size is read without the lock). StepError."""
    command = ("info", "-U", "-f", layer(disk), "--output=json", operand(disk.source))
    said = await _run(*command, keys=keys_of(disk.source))
    return int(json.loads(said)["virtual-size"])


async def measure(origin: Disk) -> int:
    """Bytes that a copy of what the disk holds takes, holes left out. StepError: DiskNotMade."""
    command = ("measure", "-O", "qcow2", "-f", layer(origin), "--output=json", opened(origin))
    return int(json.loads(await _run(*command, keys=_keys(origin)))["required"])


async def unlock(disk: Disk) -> None:
    """See that the passphrase opens an encrypted disk, also one that a guest has. StepError: KeyWrong."""
    if disk.luks is not None:
        little = ["--output=json", "--max-length=512"]
        await _run("map", "-U", "-f", layer(disk), *little, opened(disk), keys=_keys(disk))


def layer(disk: Disk) -> str:
    """The format by QEMU's name: what is around raw bytes is one of its own there."""
    return "luks" if disk.luks is not None and disk.format == "raw" else disk.format


def opened(disk: Disk) -> str:
    """How qemu-img is told to read what is in a disk, encrypted or not."""
    if disk.luks is None:
        return operand(disk.source)
    key = {"key-secret": luks.OBJECT}
    return _json(_protocol(disk.source), key if layer(disk) == "luks" else {"encrypt": key})


def _encrypted(made: Disk, milliseconds: int | None = None) -> str:
    """The options that have it made so (qemu-img(1), "Notes")."""
    if made.luks is None:
        return ""
    key = f"key-secret={luks.OBJECT}", f"iter-time={milliseconds or luks.MILLISECONDS}"
    if layer(made) == "luks":
        return "".join(f",{option}" for option in key)
    return "".join(f",encrypt.{option}" for option in ("format=luks", *key))


def operand(source: DiskSource) -> str:
    """How qemu-img is told where to find it. What is no path is a json: name (qemu(1), "Disk images")."""
    return str(source.path) if isinstance(source, DiskFile) else _json(_protocol(source))


def _protocol(source: DiskSource) -> dict[str, Any]:
    match source:
        case DiskFile(path):
            return {"driver": "file", "filename": str(path)}
        case NbdExport(host, port, export):
            server = {"type": "inet", "host": host, "port": str(port)}
            return {"driver": "nbd", "server": server, "export": export}
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
            return unit | chap
        case RbdImage():
            return _rbd(source)
        case NbdSocket(socket, export):
            server = {"type": "unix", "path": str(socket)}
            return {"driver": "nbd", "server": server, "export": export}


def keys_of(source: DiskSource) -> dict[str, str]:
    """What QEMU's `secret` objects hold that its operand names: their ids and texts in base64, as cephx has them."""
    return {source.secret: source.key} if isinstance(source, RbdImage) and source.key is not None else {}


def _keys(*disks: Disk) -> dict[str, str]:
    """The same, and what opens encrypted disks. StepError where that is not known."""
    found: dict[str, str] = {}
    for disk in disks:
        found |= keys_of(disk.source) | (luks.objects(disk.luks) if disk.luks is not None else {})
    return found


def _rbd(source: RbdImage) -> dict[str, Any]:
    servers = [{"host": host, "port": str(port)} for host, port in source.monitors]
    image = {"driver": "rbd", "pool": source.pool, "image": source.image, "server": servers}
    moment = {} if source.snapshot is None else {"snapshot": source.snapshot}
    user = {} if source.user is None else {"user": source.user, "key-secret": source.secret}
    return image | moment | user


def _json(protocol: dict[str, Any], options: dict[str, Any] | None = None) -> str:
    """The protocol, and what the format on top of it needs; which one that is is -f's."""
    return f"json:{json.dumps({'file': protocol} | (options or {}))}"


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


@contextmanager
def secret_objects(keys: Mapping[str, str]) -> Iterator[tuple[list[str], list[int]]]:
    """Options that define them, and the files to pass on: a command line is for everybody on the node to read."""
    files: list[int] = []
    options: list[str] = []
    try:
        for name, key in keys.items():
            file = os.memfd_create("key")
            files.append(file)
            os.write(file, key.encode())
            options += ["--object", f"secret,id={name},format=base64,file=/dev/fd/{file}"]
        yield options, files
    finally:
        for file in files:
            os.close(file)


class _UnmeasuredError(StepError):
    """QEMU counts ticks while it measures how long a key takes, and sometimes there was none (crypto/pbkdf.c)."""


async def _run(
    command: str,
    *arguments: str,
    patience: int = 0,
    tell: Callable[[float], None] | None = None,
    keys: Mapping[str, str] | None = None,
) -> bytes:
    """As `_once`, and at once again where that was QEMU's bad luck."""
    for _ in range(_TRIES):
        try:
            return await _once(command, *arguments, patience=patience, tell=tell, keys=keys)
        except _UnmeasuredError:
            continue
    return await _once(command, *arguments, patience=patience, tell=tell, keys=keys)


async def _once(
    command: str,
    *arguments: str,
    patience: int = 0,
    tell: Callable[[float], None] | None = None,
    keys: Mapping[str, str] | None = None,
) -> bytes:
    """What it printed. `patience`: bytes that it has to move, at most; `keys`: what opens its operands."""
    deadline = _DEADLINE + patience / _SLOWEST
    async with _copies_at_once if command == "convert" else _at_once:
        with secret_objects(keys or {}) as (options, files):
            process = await asyncio.create_subprocess_exec(
                *("qemu-img", command, *options, *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=files,
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
        if cause == os.strerror(errno.ENOSPC):
            raise StepError("DiskFull", "there is no room left for the disk that is being written")
        if "Invalid password" in cause:
            raise StepError("KeyWrong", _KEY_WRONG)
        if cause == _UNMEASURED:
            raise _UnmeasuredError(
                "DiskNotMade", "how fast this processor derives keys could not be measured"
            )
        raise StepError("DiskNotMade", f"qemu-img {command}: {cause or 'unknown cause'}")
    return printed
