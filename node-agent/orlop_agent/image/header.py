"""Our own look at the first bytes of a foreign disk, before any other program reads them (pure).

It refuses what a general inspector lets through: encryption inside qcow2, internal snapshots, tables
far larger than the disk needs, files that are no disk at all. Layout: QEMU's docs/interop/qcow2.rst.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from orlop_agent.image.errors import ImageError
from orlop_api.image import DiskFormat

HEAD_BYTES = 1 << 20

_QCOW2 = b"QFI\xfb"
_FOREIGN = {
    b"KDMV": "vmdk", b"COWD": "vmdk", b"# Disk DescriptorFile": "vmdk",
    b"conectix": "vhd", b"vhdxfile": "vhdx", b"QED\x00": "qed", b"LUKS\xba\xbe": "luks",
    b"WithoutFreeSpace": "parallels", b"WithouFreSpacExt": "parallels",
    b"\x7fELF": "elf", b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd",
    b"<": "html or xml",
}  # fmt: skip
_VDI_MAGIC, _VDI_OFFSET = b"\x7f\x10\xda\xbe", 0x40
_COMPRESSION_TYPE = 1 << 3
_END, _BACKING_FORMAT, _DATA_FILE = 0, 0xE2792ACA, 0x44415441


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes say."""

    format: DiskFormat
    virtual_size: int


def examine(head: bytes, file_size: int, declared: DiskFormat | None, max_virtual_size: int) -> Header:
    """The format and virtual size in bytes of a disk from its first MiB; ImageError when it is refused.

    `declared` is what the Image says; what is found must agree.
    """
    found = DiskFormat.QCOW2 if head.startswith(_QCOW2) else DiskFormat.RAW
    if found is DiskFormat.RAW:
        _refuse_foreign(head)
    if declared is not None and declared != found:
        raise _refused("FormatMismatch", f"the Image says {declared}, the file is {found}")
    size = _examine_qcow2(head, file_size) if found is DiskFormat.QCOW2 else _examine_raw(head, file_size)
    if size > max_virtual_size:
        raise _refused("ImageTooLarge", f"the disk is {size} bytes, at most {max_virtual_size} are allowed")
    return Header(found, size)


def _refuse_foreign(head: bytes) -> None:
    for magic, name in _FOREIGN.items():
        if head.startswith(magic):
            raise _refused("UnsupportedFormat", f"the file looks like {name}; qcow2 and raw are accepted")
    if head[_VDI_OFFSET : _VDI_OFFSET + 4] == _VDI_MAGIC:
        raise _refused("UnsupportedFormat", "the file looks like vdi; qcow2 and raw are accepted")


def _examine_raw(head: bytes, file_size: int) -> int:
    if file_size < 512 or file_size % 512:
        raise _refused("NotADisk", f"{file_size} bytes are no raw disk: it is a multiple of 512 bytes")
    if head[510:512] != b"\x55\xaa" and head[0x8001:0x8006] != b"CD001":
        raise _refused("NotADisk", "the raw file has no partition table and no ISO 9660 signature")
    return file_size


def _examine_qcow2(head: bytes, file_size: int) -> int:
    if len(head) < 104:
        raise _corrupt(f"{file_size} bytes are too few")
    (version, backing_offset, _backing_size, cluster_bits, size, crypt, l1_size, l1_offset) = (
        struct.unpack_from(">IQIIQIIQ", head, 4)
    )
    refcount_clusters, snapshots = struct.unpack_from(">II", head, 56)
    if version not in (2, 3):
        raise _corrupt(f"version {version}; 2 and 3 are known")
    if backing_offset:
        raise _refused("BackingFile", "the image has a backing file: flatten it")
    if crypt:
        raise _refused("EncryptedImage", "encrypted images are not supported")
    if snapshots:
        raise _refused("InternalSnapshots", "the image has internal snapshots: remove them")
    if not 9 <= cluster_bits <= 21:
        raise _corrupt(f"cluster_bits {cluster_bits}; 9 to 21 are allowed")
    if size == 0 or size % 512:
        raise _corrupt(f"virtual size {size}; it is a multiple of 512 above 0")
    clusters_per_l2 = 1 << (cluster_bits - 3)
    needed = -(-size // (clusters_per_l2 << cluster_bits))
    if l1_size > needed + 1 or l1_offset >= file_size:
        raise _corrupt(f"l1_size {l1_size}; {needed} are needed")
    if refcount_clusters << cluster_bits > file_size + (1 << cluster_bits):
        raise _corrupt(f"a refcount table of {refcount_clusters} clusters")
    header_length = 72
    if version == 3:
        incompatible, _compatible, _autoclear, _order, header_length = struct.unpack_from(">QQQII", head, 72)
        if incompatible & ~_COMPRESSION_TYPE:
            raise _refused("UnsupportedFeature", f"qcow2 with incompatible features {incompatible:#x}")
    _examine_extensions(head, header_length, 1 << cluster_bits)
    return int(size)


def _examine_extensions(head: bytes, offset: int, end: int) -> None:
    """No name of another file may hide behind the header, even with its feature bit off."""
    while offset + 8 <= min(end, len(head)):
        kind, length = struct.unpack_from(">II", head, offset)
        if kind == _END:
            return
        if kind == _BACKING_FORMAT:
            raise _refused("BackingFile", "the image names a backing format: flatten it")
        if kind == _DATA_FILE:
            raise _refused("ExternalDataFile", "the image keeps its data in another file")
        offset += 8 + -(-length // 8) * 8


def _corrupt(what: str) -> ImageError:
    return _refused("CorruptImage", f"corrupt qcow2 header: {what}")


def _refused(reason: str, message: str) -> ImageError:
    return ImageError(reason, message, permanent=True)
