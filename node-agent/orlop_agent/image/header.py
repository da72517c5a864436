"""Our own look at the header of a foreign disk, before any other program reads it (pure).

What is found must agree with what the Image says, and only formats that orlop-config names are let through.
A raw disk must look like one: a guest can write any header into its own disk, and an error page is no disk.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from orlop_agent.image.foreign import qcow2, vdi, vhd, vhdx, vmdk
from orlop_agent.image.refusal import refused
from orlop_agent.image.window import Window
from orlop_api.image import DiskFormat, ImageFormat

_NO_DISK = {
    b"QED\x00": "qed", b"LUKS\xba\xbe": "luks", b"WithoutFreeSpace": "parallels",
    b"WithouFreSpacExt": "parallels", b"\x7fELF": "elf", b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"PK\x03\x04": "zip", b"<": "html or xml",
}  # fmt: skip
_ISO_MAGIC, _ISO_AT = b"CD001", 0x8001
_TAR_MAGIC, _TAR_AT = b"ustar", 257
_SECTOR = 512
CONVERTED = frozenset({ImageFormat.VMDK, ImageFormat.VHD, ImageFormat.VHDX, ImageFormat.VDI})


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says."""

    format: ImageFormat
    virtual_size: int


def stored_as(found: ImageFormat) -> DiskFormat:
    """The format in which a node keeps a disk that was served in this one."""
    raw = found in (ImageFormat.RAW, ImageFormat.ISO)
    return DiskFormat.RAW if raw else DiskFormat.QCOW2


def examine(
    disk: Window, declared: ImageFormat | None, accepted: Collection[ImageFormat], max_virtual_size: int
) -> Header:
    """The format and virtual size in bytes of a disk; ImageError when it is refused.

    `declared` is what the Image says; what is found must agree.
    """
    found = _format(disk, declared)
    if declared is not None and declared != found:
        raise refused("FormatMismatch", f"the Image says {declared}, the file is {found}")
    if found not in accepted:
        names = ", ".join(accepted)
        raise refused("UnsupportedFormat", f"the file is {found}; this cloud accepts {names} (orlop-config)")
    size = _SIZES[found](disk)
    if size > max_virtual_size:
        raise refused("ImageTooLarge", f"the disk is {size} bytes, at most {max_virtual_size} are allowed")
    return Header(found, size)


def _format(disk: Window, declared: ImageFormat | None) -> ImageFormat:
    head = disk.at(0, _SECTOR)
    if head.startswith(qcow2.MAGIC):
        return ImageFormat.QCOW2
    if head.startswith(vmdk.MAGICS):
        return ImageFormat.VMDK
    if head.startswith(vhdx.MAGIC):
        return ImageFormat.VHDX
    if head[vdi.MAGIC_AT : vdi.MAGIC_AT + 4] == vdi.MAGIC:
        return ImageFormat.VDI
    if vhd.is_vhd(disk):
        return ImageFormat.VHD
    for magic, name in _NO_DISK.items():
        if head.startswith(magic):
            raise refused("UnsupportedFormat", f"the file looks like {name}, which is no disk")
    if head[_TAR_AT : _TAR_AT + 5] == _TAR_MAGIC:
        raise refused("UnsupportedFormat", "the file looks like tar, which is no disk")
    if not _is_iso(disk):
        return ImageFormat.RAW
    # A hybrid ISO is both: a disc, and a disk with a partition table.
    return ImageFormat.RAW if declared is ImageFormat.RAW and _is_bootable(head) else ImageFormat.ISO


def _is_iso(disk: Window) -> bool:
    return disk.at(_ISO_AT, 5) == _ISO_MAGIC


def _is_bootable(head: bytes) -> bool:
    return head[510:512] == b"\x55\xaa"


def _raw(disk: Window) -> int:
    if disk.size < _SECTOR or disk.size % _SECTOR:
        raise refused("NotADisk", f"{disk.size} bytes are no raw disk: it is a multiple of 512 bytes")
    if not _is_bootable(disk.at(0, _SECTOR)):
        raise refused("NotADisk", "the raw file has no partition table and no ISO 9660 signature")
    return disk.size


def _iso(disk: Window) -> int:
    if disk.size % _SECTOR:
        raise refused("NotADisk", f"{disk.size} bytes are no disc: it is a multiple of 512 bytes")
    return disk.size


_SIZES: dict[ImageFormat, Callable[[Window], int]] = {
    ImageFormat.QCOW2: qcow2.virtual_size,
    ImageFormat.RAW: _raw,
    ImageFormat.ISO: _iso,
    ImageFormat.VMDK: vmdk.virtual_size,
    ImageFormat.VHD: vhd.virtual_size,
    ImageFormat.VHDX: vhdx.virtual_size,
    ImageFormat.VDI: vdi.virtual_size,
}
