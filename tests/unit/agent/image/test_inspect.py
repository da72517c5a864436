"""How much of a disk the inspector reads."""

import io

from orlop_agent.image.inspect import examine
from orlop_api.image import ImageFormat

MIB = 1 << 20


class Counted(io.BytesIO):
    """A file that knows how much was read of it."""

    total = 0

    def read(self, size: int | None = -1) -> bytes:
        chunk = super().read(size)
        self.total += len(chunk)
        return chunk


def test_a_large_disk_is_not_read_to_its_end():
    partition = bytes.fromhex("80000000830000000008000000f00100")
    disk = Counted((b"\0" * 446 + partition.ljust(64, b"\0") + b"\x55\xaa").ljust(32 * MIB, b"\0"))
    assert examine(disk, ImageFormat.RAW) == 0
    assert disk.total <= 2 * MIB
