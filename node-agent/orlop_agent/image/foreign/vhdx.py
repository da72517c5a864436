"""VHDX ([MS-VHDX]: Virtual Hard Disk v2 File Format)."""

from __future__ import annotations

import struct
from uuid import UUID

from orlop_agent.image.refusal import corrupt, refused
from orlop_agent.image.window import Window

MAGIC = b"vhdxfile"
_HEADERS = (64 << 10, 128 << 10)
_REGION_TABLES = (192 << 10, 256 << 10)
_REGION_TABLE_BYTES = 64 << 10
_ENTRY_BYTES = 32
_MOST_REGIONS, _MOST_ITEMS = 2047, 2047
_MOST_TABLE = 64 << 20
_MOST_LOG = 64 << 20

_BLOCK_TABLE = UUID("2dc27766-f623-4200-9d64-115e9bfd4a08").bytes_le
_METADATA = UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
_FILE_PARAMETERS = UUID("caa16737-fa36-4d43-b3b6-33f0aa44e76b").bytes_le
_DISK_SIZE = UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le
_PARENT = UUID("a8d35f2d-b30b-454d-abf7-d3d84834ab0c").bytes_le
_HAS_PARENT = 1 << 1


def virtual_size(disk: Window) -> int:
    """Bytes of the disk; ImageError when it is refused."""
    _log(disk)
    tables = [_regions(disk, offset) for offset in _REGION_TABLES]
    found = [table for table in tables if table]
    if not found or any(table != found[0] for table in found):
        raise corrupt("vhdx", "its region tables are missing or differ")
    regions = found[0]
    for guid in (_BLOCK_TABLE, _METADATA):
        if guid not in regions:
            raise corrupt("vhdx", "a region is missing")
    table_at, table_length = regions[_BLOCK_TABLE]
    if table_length > _MOST_TABLE or table_at + table_length > disk.size:
        raise corrupt("vhdx", f"a block table of {table_length} bytes")
    return _metadata(disk, *regions[_METADATA])


def _log(disk: Window) -> None:
    """The header that counts has the higher sequence number; its log must be empty."""
    headers = [
        head
        for head in (disk.at(offset, 4096) for offset in _HEADERS)
        if len(head) == 4096 and head.startswith(b"head")
    ]
    if not headers:
        raise corrupt("vhdx", "no header")
    for head in headers:
        (length,) = struct.unpack_from("<I", head, 68)
        if length > _MOST_LOG:
            raise corrupt("vhdx", f"a log of {length} bytes")
    current = max(headers, key=lambda head: int(struct.unpack_from("<Q", head, 8)[0]))
    if any(current[48:64]):
        raise refused("UncleanImage", "the vhdx was not closed cleanly: repair it (qemu-img check -r all)")


def _regions(disk: Window, offset: int) -> dict[bytes, tuple[int, int]]:
    table = disk.at(offset, _REGION_TABLE_BYTES)
    if len(table) < _REGION_TABLE_BYTES or not table.startswith(b"regi"):
        return {}
    (count,) = struct.unpack_from("<I", table, 8)
    if count > _MOST_REGIONS:
        raise corrupt("vhdx", f"{count} regions")
    regions: dict[bytes, tuple[int, int]] = {}
    for index in range(count):
        guid, at, length, required = struct.unpack_from("<16sQII", table, 16 + index * _ENTRY_BYTES)
        if required & 1 and guid not in (_BLOCK_TABLE, _METADATA):
            raise refused("UnsupportedFeature", "vhdx with an unknown region that it says is required")
        if guid in regions:
            raise corrupt("vhdx", "a region is there twice")
        regions[guid] = (at, length)
    return regions


def _metadata(disk: Window, start: int, length: int) -> int:
    table = disk.at(start, 64 << 10)
    if start < 1 << 20 or length > 1 << 24 or not table.startswith(b"metadata") or len(table) < 64 << 10:
        raise corrupt("vhdx", "no metadata where the region table says")
    (count,) = struct.unpack_from("<H", table, 10)
    if count > _MOST_ITEMS - 1:
        raise corrupt("vhdx", f"{count} metadata items")
    items: dict[bytes, int] = {}
    for index in range(count):
        guid, at, _length = struct.unpack_from("<16sII", table, 32 + index * _ENTRY_BYTES)
        if guid in items:
            raise corrupt("vhdx", "a metadata item is there twice")
        items[guid] = start + at
    if _PARENT in items:
        raise refused("BackingFile", "the vhdx names a parent: merge it with its parent")
    if _FILE_PARAMETERS not in items or _DISK_SIZE not in items:
        raise corrupt("vhdx", "a metadata item is missing")
    parameters, size = disk.at(items[_FILE_PARAMETERS], 8), disk.at(items[_DISK_SIZE], 8)
    if len(parameters) < 8 or len(size) < 8:
        raise corrupt("vhdx", "a metadata item lies outside the file")
    block, flags = struct.unpack("<II", parameters)
    if flags & _HAS_PARENT:
        raise refused("BackingFile", "the vhdx is a differencing disk: merge it with its parent")
    if not 1 << 20 <= block <= 1 << 28 or block & (block - 1):
        raise corrupt("vhdx", f"blocks of {block} bytes; a power of two from 1 to 256 MiB is allowed")
    (found,) = struct.unpack("<Q", size)
    if found == 0 or found % 512:
        raise corrupt("vhdx", f"virtual size {found}; it is a multiple of 512 above 0")
    return int(found)
