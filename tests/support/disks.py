"""Disks as a guest would use them: written and read by qemu-io."""

import asyncio
import base64
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from orlop_agent.domain.spec import Disk, IscsiUnit, RbdImage
from orlop_agent.volume.luks import objects
from orlop_agent.volume.operand import CHAP, layer, opened
from support.ceph import KEY
from support.targets import PASSWORD

MIB = 1 << 20


class RefusedError(Exception):
    """What qemu-io said."""


async def qemu_io(disk: Disk, *commands: str, discard: bool = False) -> str:
    """Run the commands on the disk; RefusedError where one did not work."""
    script = [part for command in commands for part in ("-c", command)]
    process = await asyncio.create_subprocess_exec(
        *(
            "qemu-io",
            "-d",
            "unmap" if discard else "ignore",
            *(["-r"] if disk.readonly else []),
            *_secrets(disk),
            "-f",
            layer(disk),
            *script,
            opened(disk),
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    if process.returncode or "Pattern verification failed" in said or "failed:" in said:
        raise RefusedError(said)
    return said


def _secrets(disk: Disk) -> tuple[str, ...]:
    """What opens it, as libvirt would hand it over."""
    given = dict(objects(disk.luks)) if disk.luks is not None else {}
    match disk.source:
        case IscsiUnit(account=str()):
            given[CHAP] = base64.b64encode(PASSWORD.encode()).decode()
        case RbdImage(user=str(), secret=name):
            given[name] = KEY
    objects_of = (("--object", f"secret,id={name},format=base64,data={key}") for name, key in given.items())
    return tuple(part for option in objects_of for part in option)


async def write(disk: Disk, pattern: int, at: int, length: int) -> None:
    await qemu_io(disk, f"write -P {pattern} {at} {length}", "flush")


async def holds(disk: Disk, pattern: int, at: int, length: int) -> None:
    """RefusedError where it holds anything else."""
    await qemu_io(disk, f"read -P {pattern} {at} {length}")


@asynccontextmanager
async def held(disk: Disk) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """A machine has the disk, as a guest that runs would, and can be told something about it (QMP).

    RefusedError where QEMU does not let it.
    """
    file = opened(disk).replace(",", ",,")
    drive = f"if=none,id=held,format={layer(disk)},readonly={'on' if disk.readonly else 'off'},file={file}"
    if disk.cache is not None:
        drive = f"cache={disk.cache},{drive}"
    device = f"virtio-blk-pci,drive=held,share-rw={'on' if disk.shareable else 'off'}"
    process = await asyncio.create_subprocess_exec(
        *("qemu-system-x86_64", "-nodefaults", "-display", "none", "-S", "-accel", "tcg", "-qmp", "stdio"),
        *_secrets(disk),
        *("-drive", drive, "-device", device),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if process.stdin is None or process.stdout is None:
        raise AssertionError
    stdin, stdout = process.stdin, process.stdout

    async def tell(command: str, **arguments: Any) -> None:
        stdin.write(json.dumps({"execute": command, "arguments": arguments}).encode())
        said = await stdout.readline()
        while b'"event"' in said:
            said = await stdout.readline()
        if b"return" not in said:
            raise RefusedError((greeting + said).decode())

    greeting = await stdout.readline()
    try:
        await tell("qmp_capabilities")  # the greeting comes before the devices do
        yield tell
    finally:
        process.stdin.write(b'{"execute": "quit"}')
        process.stdin.close()
        await process.wait()
