"""qemu-img, called with every format said and nothing taken from a shell."""

from __future__ import annotations

import asyncio
from pathlib import Path

from orlop_agent.failure import StepError

_DEADLINE = 60.0
_at_once = asyncio.Semaphore(4)


async def create(path: Path, size: int, *, base: Path | None = None, base_format: str | None = None) -> None:
    """Make an empty qcow2 of `size` bytes, over a read-only base where one is given.

    Raises StepError with reason DiskNotMade.
    """
    over = [] if base is None else ["-b", str(base), "-F", str(base_format), "-u"]
    arguments = ["create", "-q", "-f", "qcow2", "-o", "lazy_refcounts=off", *over, str(path), str(size)]
    async with _at_once:
        process = await asyncio.create_subprocess_exec(
            "qemu-img",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, said = await asyncio.wait_for(process.communicate(), _DEADLINE)
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise StepError("DiskNotMade", f"making a disk took longer than {_DEADLINE:.0f} s") from error
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
    if process.returncode:
        # The program's own words name paths of this node; the last part after the colon is the cause.
        cause = said.decode(errors="replace").strip().rpartition(":")[2].strip()
        raise StepError("DiskNotMade", f"the disk could not be made: {cause or 'unknown cause'}")
