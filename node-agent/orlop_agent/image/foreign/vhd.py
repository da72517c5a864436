"""VHD, fixed or dynamic (Microsoft, "Virtual Hard Disk Image Format Specification" 1.0)."""

from __future__ import annotations

import struct

from orlop_agent.image.refusal import corrupt, refused
from orlop_agent.image.window import Window

MAGIC = b"conectix"
_FOOTER_BYTES = 512
_FIXED, _DYNAMIC, _DIFFERENCING = 2, 3, 4
_SECTOR = 512
_NO_GEOMETRY = 65535 * 16 * 255
_MOST_ENTRIES = 1 << 20
"""Of the block allocation table, four bytes each: 2 TiB, the format's limit, in blocks of 2 MiB."""


def is_vhd(disk: Window) -> bool:
    """A dynamic one begins with its footer's copy; a fixed one only ends with it."""
    return disk.at(0, 8) == MAGIC or (
        disk.size >= 2 * _FOOTER_BYTES and disk.at(disk.size - _FOOTER_BYTES, 8) == MAGIC
    )


def virtual_size(disk: Window) -> int:
    """Bytes of the disk; ImageError when it is refused."""
    at_end = disk.at(disk.size - _FOOTER_BYTES, _FOOTER_BYTES)
    head = disk.at(0, _FOOTER_BYTES)
    footers = [footer for footer in (head, at_end) if footer.startswith(MAGIC) and len(footer) == 512]
    if not footers or not at_end.startswith(MAGIC):
        raise corrupt("vhd", "no footer at the end of the file")
    found = {_footer(footer) for footer in footers}
    if len(found) != 1:
        raise corrupt("vhd", "its two footers are of different disks")
    kind, size, header_at = found.pop()
    if kind == _DYNAMIC:
        if not head.startswith(MAGIC):
            raise corrupt("vhd", "a dynamic one begins with a copy of its footer")
        _dynamic(disk, header_at, size)
    elif size + _FOOTER_BYTES > disk.size + _SECTOR:
        raise corrupt("vhd", f"a fixed disk of {size} bytes in a file of {disk.size}")
    return size


def _footer(footer: bytes) -> tuple[int, int, int]:
    """Type, size in bytes (the larger of what it says twice) and where the dynamic header is."""
    version, header_at = struct.unpack_from(">IQ", footer, 12)
    (size,) = struct.unpack_from(">Q", footer, 48)
    cylinders, heads, sectors = struct.unpack_from(">HBB", footer, 56)
    (kind,) = struct.unpack_from(">I", footer, 60)
    if version != 0x00010000:
        raise corrupt("vhd", f"version {version:#x}; 0x10000 is known")
    if kind == _DIFFERENCING:
        raise refused("BackingFile", "the vhd is a differencing disk: merge it with its parent")
    if kind not in (_FIXED, _DYNAMIC):
        raise refused("UnsupportedFeature", f"vhd of type {kind}; fixed (2) and dynamic (3) are accepted")
    if size == 0 or size % _SECTOR:
        raise corrupt("vhd", f"virtual size {size}; it is a multiple of 512 above 0")
    by_geometry = cylinders * heads * sectors
    # The largest geometry there is says nothing, and QEMU goes by the other figure too then.
    return kind, size if by_geometry == _NO_GEOMETRY else max(size, by_geometry * _SECTOR), header_at


def _dynamic(disk: Window, header_at: int, size: int) -> None:
    header = disk.at(header_at, 1024)
    if len(header) < 1024 or not header.startswith(b"cxsparse"):
        raise corrupt("vhd", "no dynamic header where the footer says")
    table_at, version, entries, block = struct.unpack_from(">QIII", header, 16)
    if version != 0x00010000:
        raise corrupt("vhd", f"dynamic header version {version:#x}; 0x10000 is known")
    if any(header[40:56]) or any(header[576:768]):
        raise refused("BackingFile", "the vhd names a parent: merge it with its parent")
    if not _SECTOR <= block <= 1 << 28 or block & (block - 1):
        raise corrupt("vhd", f"blocks of {block} bytes; a power of two up to 256 MiB is allowed")
    needed = -(-size // block)
    if not needed <= entries <= min(needed + 1024, _MOST_ENTRIES) or table_at + 4 * entries > disk.size:
        raise corrupt("vhd", f"a block table of {entries} entries; {needed} are needed")
