"""VDI, dynamic or static (VirtualBox; QEMU's block/vdi.c documents the header)."""

from __future__ import annotations

import struct

from orlop_agent.image.refusal import corrupt, refused
from orlop_agent.image.window import Window

MAGIC, MAGIC_AT = b"\x7f\x10\xda\xbe", 0x40
_DYNAMIC, _STATIC, _UNDO, _DIFFERENCING = 1, 2, 3, 4
_BLOCK = 1 << 20
_MOST_BLOCKS = 1 << 24


def virtual_size(disk: Window) -> int:
    """Bytes of the disk; ImageError when it is refused."""
    head = disk.at(0, 512)
    if len(head) < 512:
        raise corrupt("vdi", f"{disk.size} bytes are too few")
    version, _header, kind = struct.unpack_from("<III", head, 0x44)
    map_at, data_at = struct.unpack_from("<II", head, 0x154)
    (sector,) = struct.unpack_from("<I", head, 0x168)
    size, block, _extra, blocks, allocated = struct.unpack_from("<QIIII", head, 0x170)
    if version != 0x00010001:
        raise corrupt("vdi", f"version {version:#x}; 0x10001 is known")
    if kind in (_UNDO, _DIFFERENCING) or any(head[0x1A8:0x1C8]):
        raise refused("BackingFile", "the vdi is a differencing disk: merge it with its parent")
    if kind not in (_DYNAMIC, _STATIC):
        raise refused("UnsupportedFeature", f"vdi of type {kind}; dynamic (1) and static (2) are accepted")
    if sector != 512 or block != _BLOCK:
        raise refused("UnsupportedFeature", f"vdi with sectors of {sector} and blocks of {block} bytes")
    if size == 0:
        raise corrupt("vdi", "virtual size 0")
    needed = -(-size // _BLOCK)
    if blocks != needed or blocks > _MOST_BLOCKS or allocated > blocks:
        raise corrupt("vdi", f"{blocks} blocks, {allocated} of them allocated; {needed} are needed")
    if map_at % 512 or map_at + 4 * blocks > disk.size or data_at % 512 or data_at > disk.size + _BLOCK:
        raise corrupt("vdi", "the block map lies outside the file")
    return int(size)
