"""qemu-img, called with every format said and nothing taken from a shell."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from orlop_agent.domain.spec import Disk, DiskFile, Luks
from orlop_agent.failure import StepError
from orlop_agent.volume import luks
from orlop_agent.volume.operand import keys_of, layer, opened, operand, secret_objects, secrets_of

_DEADLINE = 60.0
_PERCENT = re.compile(rb"\((\d+\.\d+)/100%\)")
_SLOWEST = 4 << 20
"""Bytes a second below which a copy counts as stuck."""
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
        "create",
        "-q",
        "-f",
        layer(made),
        "-o",
        options,
        *over,
        *where,
        patience=written,
        keys=secrets_of(made),
    )


async def header(sealed: Luks) -> bytes:
    """What begins raw bytes that are encrypted so; how many these are it does not say. StepError: DiskNotMade."""
    file = os.memfd_create("header")
    try:
        # An empty one is its header and nothing else.
        options = f"key-secret={luks.OBJECT},iter-time={luks.MILLISECONDS}"
        command = ("create", "-q", "-f", "luks", "-o", options, f"/dev/fd/{file}", "0")
        await _run(*command, keys=luks.objects(sealed), files=(file,))
        return os.pread(file, os.fstat(file).st_size, 0)
    finally:
        os.close(file)


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
    await _run(*command, patience=2 * size, tell=tell, keys=secrets_of(origin, target))


async def fill(origin: Disk, target: Disk, size: int, tell: Callable[[float], None] | None = None) -> None:
    """Write a disk of `size` bytes onto a target that is there, and that nobody wrote to. StepError: DiskNotMade."""
    # What is encrypted reads as noise before that: its zeros have to be written too.
    way = ("-n",) if target.luks is not None else ("-n", "--target-is-zero")
    said = "-q" if tell is None else "-p"
    formats = ("-f", layer(origin), "-O", layer(target))
    command = ("convert", said, *way, *formats, opened(origin), opened(target))
    await _run(*command, patience=size, tell=tell, keys=secrets_of(origin, target))


async def resize(disk: Disk, size: int) -> None:
    """Give a disk that nobody uses another size, in bytes. StepError: DiskNotMade."""
    await _run("resize", "-q", "-f", layer(disk), opened(disk), str(size), keys=secrets_of(disk))


async def virtual_size(disk: Disk) -> int:
    """Bytes that a guest sees; it may be running (-U: the size is read without the lock). StepError."""
    command = ("info", "-U", "-f", layer(disk), "--output=json", operand(disk.source))
    said = await _run(*command, keys=keys_of(disk.source))
    return int(json.loads(said)["virtual-size"])


async def measure(origin: Disk) -> int:
    """Bytes that a copy of what the disk holds takes, holes left out. StepError: DiskNotMade."""
    command = ("measure", "-O", "qcow2", "-f", layer(origin), "--output=json", opened(origin))
    return int(json.loads(await _run(*command, keys=secrets_of(origin)))["required"])


async def unlock(disk: Disk) -> None:
    """See that the passphrase opens an encrypted disk, also one that a guest has. StepError: KeyWrong."""
    if disk.luks is not None:
        little = ["--output=json", "--max-length=512"]
        await _run("map", "-U", "-f", layer(disk), *little, opened(disk), keys=secrets_of(disk))


def _encrypted(made: Disk, milliseconds: int | None = None) -> str:
    """The options that have it made so (qemu-img(1), "Notes")."""
    if made.luks is None:
        return ""
    key = f"key-secret={luks.OBJECT}", f"iter-time={milliseconds or luks.MILLISECONDS}"
    if layer(made) == "luks":
        return "".join(f",{option}" for option in key)
    return "".join(f",encrypt.{option}" for option in ("format=luks", *key))


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


class _UnmeasuredError(StepError):
    """QEMU counts ticks while it measures how long a key takes, and sometimes there was none (crypto/pbkdf.c)."""


async def _run(
    command: str,
    *arguments: str,
    patience: int = 0,
    tell: Callable[[float], None] | None = None,
    keys: Mapping[str, str] | None = None,
    files: Sequence[int] = (),
) -> bytes:
    """As `_once`, and at once again where that was QEMU's bad luck."""
    for _ in range(_TRIES):
        try:
            return await _once(command, *arguments, patience=patience, tell=tell, keys=keys, files=files)
        except _UnmeasuredError:
            continue
    return await _once(command, *arguments, patience=patience, tell=tell, keys=keys, files=files)


async def _once(
    command: str,
    *arguments: str,
    patience: int = 0,
    tell: Callable[[float], None] | None = None,
    keys: Mapping[str, str] | None = None,
    files: Sequence[int] = (),
) -> bytes:
    """What it printed.

    `patience`: bytes that it has to move, at most; `keys`: what opens its operands; `files`: those that it has open.
    """
    deadline = _DEADLINE + patience / _SLOWEST
    async with _copies_at_once if command == "convert" else _at_once:
        with secret_objects(keys or {}) as (options, secret_files):
            process = await asyncio.create_subprocess_exec(
                *("qemu-img", command, *options, *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(*files, *secret_files),
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
