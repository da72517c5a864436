"""A second opinion on a foreign disk: oslo.utils' format inspector, in a process that can do no harm.

`inspect_disk` runs this module confined, with the disk open on standard input and nothing else of this node's.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from orlop_agent import sandbox
from orlop_agent.image.errors import ImageError
from orlop_api.image import ImageFormat

_LIMITS = sandbox.Limits(memory=1 << 30, processor_seconds=30, file_bytes=0)
_SECONDS = 60
_UNSAFE, _OTHER_FORMAT = 3, 4
_AGREED = "agreed"
_CALLED = {
    # A raw disk with a partition table is called gpt by the inspector; a hybrid ISO may be served as a disk.
    ImageFormat.RAW: {"raw", "gpt", "iso"},
    ImageFormat.ISO: {"iso"},
    # Of a fixed VHD only the end says that it is one, and the inspector looks at the beginning.
    ImageFormat.VHD: {"vhd", "raw", "gpt"},
}


async def inspect_disk(path: Path, expected: ImageFormat) -> None:
    """ImageError unless the inspector finds the expected format and nothing unsafe in it."""
    program = sandbox.python("orlop_agent.image.inspect", expected.value)
    with path.open("rb") as disk:
        try:
            status, told = await sandbox.run(sandbox.command(program, _LIMITS), _SECONDS, stdin=disk)
        except TimeoutError as error:
            raise ImageError(
                "InspectionTimeout", f"inspecting took over {_SECONDS} s", permanent=False
            ) from error
    if status == 0 and told == _AGREED:
        return
    if status in (_UNSAFE, _OTHER_FORMAT):
        reason = "UnsafeImage" if status == _UNSAFE else "FormatMismatch"
        raise ImageError(reason, told[:500], permanent=True)
    raise ImageError("InspectionFailed", f"the inspector ended with {status}: {told[:400]}", permanent=False)


def examine(disk: BinaryIO, expected: ImageFormat) -> int:
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
    accepted = _CALLED.get(expected, {expected.value})
    if found is None or str(found) not in accepted:
        sys.stderr.write(f"the Image says {expected.value}, the inspector found {found}\n")
        return _OTHER_FORMAT
    try:
        found.safety_check()
    except format_inspector.SafetyCheckFailed as error:
        sys.stderr.write(f"the disk is unsafe: {error}\n")
        return _UNSAFE
    sys.stderr.write(f"{_AGREED}\n")
    return 0


if __name__ == "__main__":
    sys.exit(examine(sys.stdin.buffer, ImageFormat(sys.argv[1])))
