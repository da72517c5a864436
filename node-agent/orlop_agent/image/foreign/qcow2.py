"""qcow2, versions 2 and 3. Layout: QEMU's docs/interop/qcow2.rst.

It refuses what a general inspector lets through: encryption, internal snapshots, tables far larger than the disk
needs.
"""

from __future__ import annotations

import struct

from orlop_agent.image.errors import ImageError
from orlop_agent.image.refusal import corrupt, refused
from orlop_agent.image.window import Window

MAGIC = b"QFI\xfb"
_COMPRESSION_TYPE = 1 << 3
_END, _BACKING_FORMAT, _DATA_FILE = 0, 0xE2792ACA, 0x44415441
_LONGEST_CLUSTER = 1 << 21


def virtual_size(disk: Window) -> int:
    """Bytes of the disk; ImageError when it is refused."""
    head, file_size = disk.at(0, _LONGEST_CLUSTER), disk.size
    if len(head) < 104:
        raise _bad(f"{file_size} bytes are too few")
    (version, backing_offset, _backing_size, cluster_bits, size, crypt, l1_size, l1_offset) = (
        struct.unpack_from(">IQIIQIIQ", head, 4)
    )
    refcount_clusters, snapshots = struct.unpack_from(">II", head, 56)
    if version not in (2, 3):
        raise _bad(f"version {version}; 2 and 3 are known")
    if backing_offset:
        raise refused("BackingFile", "the image has a backing file: flatten it")
    if crypt:
        raise refused("EncryptedImage", "encrypted images are not supported")
    if snapshots:
        raise refused("InternalSnapshots", "the image has internal snapshots: remove them")
    if not 9 <= cluster_bits <= 21:
        raise _bad(f"cluster_bits {cluster_bits}; 9 to 21 are allowed")
    if size == 0 or size % 512:
        raise _bad(f"virtual size {size}; it is a multiple of 512 above 0")
    clusters_per_l2 = 1 << (cluster_bits - 3)
    needed = -(-size // (clusters_per_l2 << cluster_bits))
    if l1_size > needed + 1 or l1_offset >= file_size:
        raise _bad(f"l1_size {l1_size}; {needed} are needed")
    if refcount_clusters << cluster_bits > file_size + (1 << cluster_bits):
        raise _bad(f"a refcount table of {refcount_clusters} clusters")
    header_length = 72
    if version == 3:
        incompatible, _compatible, _autoclear, _order, header_length = struct.unpack_from(">QQQII", head, 72)
        if incompatible & ~_COMPRESSION_TYPE:
            raise refused("UnsupportedFeature", f"qcow2 with incompatible features {incompatible:#x}")
    _examine_extensions(head, header_length, 1 << cluster_bits)
    return int(size)


def _examine_extensions(head: bytes, offset: int, end: int) -> None:
    """No name of another file may hide behind the header, even with its feature bit off."""
    while offset + 8 <= min(end, len(head)):
        kind, length = struct.unpack_from(">II", head, offset)
        if kind == _END:
            return
        if kind == _BACKING_FORMAT:
            raise refused("BackingFile", "the image names a backing format: flatten it")
        if kind == _DATA_FILE:
            raise refused("ExternalDataFile", "the image keeps its data in another file")
        offset += 8 + -(-length // 8) * 8


def _bad(what: str) -> ImageError:
    return corrupt("qcow2", what)
