"""VMDK: one sparse extent, all of it in this file (VMware, "Virtual Disk Format 5.0").

A VMDK's descriptor may name any file as an extent or as the parent; only monolithicSparse and
streamOptimized, which name themselves, are let through.
"""

from __future__ import annotations

import re
import struct

from orlop_agent.image.errors import ImageError
from orlop_agent.image.refusal import corrupt, refused
from orlop_agent.image.window import Window

MAGICS = (b"KDMV", b"COWD", b"# Disk DescriptorFile")
_SECTOR = 512
_HEADER = struct.Struct("<4sIIQQQQIQQQB4sH")
_AT_END = 0xFFFFFFFFFFFFFFFF
_DESCRIPTOR_SECTORS = 20
"""What QEMU reads as the descriptor, wherever the header says that it is (QEMU, block/vmdk.c)."""
_MOST_DIRECTORY = 1 << 19
"""Entries of the grain directory, four bytes each; 64 TiB need as many."""
_TYPES = ("monolithicSparse", "streamOptimized")
_EXTENT = re.compile(rb"^\s*(?:RW|RDONLY|NOACCESS)\s+\d+\s+(\S+)[ \t]*(.*)$", re.MULTILINE | re.IGNORECASE)


def virtual_size(disk: Window) -> int:
    """Bytes of the disk; ImageError when it is refused."""
    head = disk.at(0, _SECTOR)
    if not head.startswith(b"KDMV"):
        raise refused("ExternalExtent", "the vmdk is a descriptor only: its data is in other files")
    capacity, directory_at = _sparse_header(head, disk.size)
    if directory_at == _AT_END:
        # The header that counts is at the end: its copy there has to say the same.
        footer = disk.at(disk.size - 2 * _SECTOR, _SECTOR)
        if len(footer) < _SECTOR or not footer.startswith(b"KDMV"):
            raise corrupt("vmdk", "no footer where the header says that there is one")
        other, directory_at = _sparse_header(footer, disk.size)
        if other != capacity or directory_at == _AT_END:
            raise corrupt("vmdk", "header and footer are of different disks")
    if directory_at * _SECTOR >= disk.size:
        raise corrupt("vmdk", "the grain directory lies outside the file")
    _descriptor(disk)
    return capacity * _SECTOR


def _sparse_header(head: bytes, file_size: int) -> tuple[int, int]:
    """Capacity, and where the grain directory is, in sectors."""
    if len(head) < _SECTOR:
        raise corrupt("vmdk", f"{file_size} bytes are too few")
    (_magic, version, _flags, capacity, grain, descriptor_at, descriptor_length, entries, _spare, directory_at,
     _overhead, _unclean, _ends, compression) = _HEADER.unpack_from(head)  # fmt: skip
    if version not in (1, 2, 3):
        raise corrupt("vmdk", f"version {version}; 1 to 3 are known")
    if capacity == 0:
        raise refused("ExternalExtent", "the vmdk has no data of its own: its data is in other files")
    if not 8 <= grain <= 4096 or grain & (grain - 1):
        raise corrupt("vmdk", f"a grain of {grain} sectors; a power of two from 8 to 4096 is allowed")
    if not 1 <= entries <= 512:
        raise corrupt("vmdk", f"{entries} entries in a grain table; at most 512 are allowed")
    if -(-capacity // (grain * entries)) > _MOST_DIRECTORY:
        raise corrupt("vmdk", f"a grain directory for {capacity} sectors")
    if descriptor_at not in (0, 1) or descriptor_length > _DESCRIPTOR_SECTORS:
        raise corrupt(
            "vmdk", "the descriptor is not where it is in every vmdk, in the sectors after the header"
        )
    if compression not in (0, 1):
        raise refused("UnsupportedFeature", f"vmdk with compression {compression}; 1 (deflate) is known")
    return int(capacity), int(directory_at)


def _descriptor(disk: Window) -> None:
    text = disk.at(_SECTOR, _DESCRIPTOR_SECTORS * _SECTOR)
    if b"parentfilenamehint" in text.lower():
        raise refused("BackingFile", "the vmdk has a parent: flatten it")
    text = text.partition(b"\0")[0]
    parent = re.search(rb"^\s*parentCID\s*=\s*(\w+)", text, re.MULTILINE | re.IGNORECASE)
    if parent is not None and parent[1].lower() != b"ffffffff":
        raise refused("BackingFile", "the vmdk has a parent: flatten it")
    found = re.search(rb'^\s*createType\s*=\s*"([^"\n]{0,64})', text, re.MULTILINE | re.IGNORECASE)
    kind = found[1].decode(errors="replace") if found else "none"
    if kind not in _TYPES:
        raise refused("UnsupportedFeature", f"vmdk of type {kind}; {' and '.join(_TYPES)} are accepted")
    extents = _EXTENT.findall(text)
    if len(extents) != 1 or extents[0][0].upper() != b"SPARSE" or not _names_itself(extents[0][1]):
        raise _outside()


def _names_itself(rest: bytes) -> bool:
    """One bare file name and nothing after it: no path, no offset into something else."""
    return re.fullmatch(rb'"[^"/\\:]{1,255}"\s*', rest) is not None


def _outside() -> ImageError:
    return refused(
        "ExternalExtent", "the vmdk names an extent outside the file; one sparse extent is accepted"
    )
