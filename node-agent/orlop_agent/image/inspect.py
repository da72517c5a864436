"""A second opinion on a foreign disk: oslo.utils' format inspector, in a process that can do no harm.

`inspect_disk` runs this module as a program: in its own network namespace, with limits on memory and processor
time and none of this node's files but the disk itself, open on standard input. It becomes nobody once the
inspector is loaded and before a byte of the disk is read, because nobody may not be able to read the program.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from pathlib import Path
from typing import BinaryIO

from orlop_agent.image.errors import ImageError
from orlop_api.image import DiskFormat

_NOBODY = 65534
_LIMITS = ("--as=1073741824", "--cpu=30", "--fsize=0", "--nofile=64", "--nproc=64", "--core=0")
_SECONDS = 60
_UNSAFE, _OTHER_FORMAT = 3, 4


async def inspect_disk(path: Path, expected: DiskFormat) -> None:
    """ImageError unless the inspector finds the expected format and nothing unsafe in it."""
    with path.open("rb") as disk:
        process = await asyncio.create_subprocess_exec(
            "prlimit", *_LIMITS, "unshare", "--net",
            "setpriv", "--no-new-privs",
            sys.executable, "-m", "orlop_agent.image.inspect", expected.value,
            stdin=disk, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            _, stderr = await asyncio.wait_for(process.communicate(), _SECONDS)
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise ImageError(
                "InspectionTimeout", f"inspecting took over {_SECONDS} s", permanent=False
            ) from error
    if process.returncode == 0:
        return
    lines = stderr.decode(errors="replace").strip().splitlines() or ["no output"]
    if process.returncode in (_UNSAFE, _OTHER_FORMAT):
        reason = "UnsafeImage" if process.returncode == _UNSAFE else "FormatMismatch"
        raise ImageError(reason, lines[-1][:500], permanent=True)
    raise ImageError(
        "InspectionFailed",
        f"the inspector ended with {process.returncode}: {lines[-1][:400]}",
        permanent=False,
    )


def examine(disk: BinaryIO, expected: DiskFormat) -> int:
    """The exit status for a disk: 0 when the inspector agrees."""
    from oslo_utils.imageutils import format_inspector  # noqa: PLC0415 - heavy, and only the child process needs it

    inspector = format_inspector.InspectWrapper(disk)
    # Headers are at the beginning. Once every inspector has seen what it wants, the rest changes no verdict
    # (oslo's own detect_file_format stops there too), and a large disk would only take longer than is allowed.
    while inspector.read(1 << 20) and inspector.formats is None:
        pass
    inspector.close()
    try:
        found = inspector.format
    except format_inspector.ImageFormatError as error:
        sys.stderr.write(f"the file is several formats at once: {error}\n")
        return _UNSAFE
    # A raw disk with a partition table is called gpt by the inspector.
    accepted = {"qcow2"} if expected is DiskFormat.QCOW2 else {"raw", "gpt", "iso"}
    if found is None or str(found) not in accepted:
        sys.stderr.write(f"the Image says {expected.value}, the inspector found {found}\n")
        return _OTHER_FORMAT
    try:
        found.safety_check()
    except format_inspector.SafetyCheckFailed as error:
        sys.stderr.write(f"the disk is unsafe: {error}\n")
        return _UNSAFE
    return 0


def _become_nobody() -> None:
    """Give up every right of root's, for good; where that fails nothing is read."""
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)


if __name__ == "__main__":
    importlib.import_module("oslo_utils.imageutils.format_inspector")
    _become_nobody()
    sys.exit(examine(sys.stdin.buffer, DiskFormat(sys.argv[1])))
