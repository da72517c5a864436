"""Our own look at the first bytes of a foreign disk."""

import struct

import pytest

from orlop_agent.image.errors import ImageError
from orlop_agent.image.header import examine
from orlop_agent.image.window import Bytes
from orlop_api.image import ImageFormat

MIB = 1 << 20


def qcow2(**change):
    """The first MiB of a sound qcow2 v3 of 64 MiB, with some fields changed."""
    field = {
        "version": 3, "backing": 0, "backing_size": 0, "cluster_bits": 16, "size": 64 * MIB, "crypt": 0,
        "l1_size": 1, "l1_offset": 0x30000, "refcount_offset": 0x10000, "refcount_clusters": 1,
        "snapshots": 0, "snapshots_offset": 0, "incompatible": 0, "extension": (0, b""),
    } | change  # fmt: skip
    head = b"QFI\xfb" + struct.pack(
        ">IQIIQIIQQIIQ",
        *(field[name] for name in (
            "version", "backing", "backing_size", "cluster_bits", "size", "crypt", "l1_size", "l1_offset",
            "refcount_offset", "refcount_clusters", "snapshots", "snapshots_offset",
        )),
    )  # fmt: skip
    head += struct.pack(">QQQII", field["incompatible"], 0, 0, 4, 104)
    kind, data = field["extension"]
    head += struct.pack(">II", kind, len(data)) + data
    return head.ljust(MIB, b"\0")


def raw(size=MIB):
    return (b"\0" * 510 + b"\x55\xaa").ljust(size, b"\0")


def look(head, size=None, declared=None, limit=1 << 40, accepted=tuple(ImageFormat)):
    return examine(Bytes(head, size or len(head)), declared, accepted, limit)


def test_sound_disks():
    assert look(qcow2()).virtual_size == 64 * MIB
    assert look(qcow2(incompatible=8)).format is ImageFormat.QCOW2
    assert look(raw(), declared=ImageFormat.RAW).virtual_size == MIB


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (qcow2(backing=512, backing_size=11), "BackingFile"),
        (qcow2(crypt=1), "EncryptedImage"),
        (qcow2(crypt=2), "EncryptedImage"),
        (qcow2(snapshots=65535), "InternalSnapshots"),
        (qcow2(version=1), "CorruptImage"),
        (qcow2(version=9), "CorruptImage"),
        (qcow2(cluster_bits=30), "CorruptImage"),
        (qcow2(cluster_bits=5), "CorruptImage"),
        (qcow2(l1_size=2**31), "CorruptImage"),
        (qcow2(refcount_clusters=2**31), "CorruptImage"),
        (qcow2(size=0), "CorruptImage"),
        (qcow2(incompatible=1), "UnsupportedFeature"),
        (qcow2(incompatible=2), "UnsupportedFeature"),
        (qcow2(incompatible=4), "UnsupportedFeature"),
        (qcow2(incompatible=1 << 40), "UnsupportedFeature"),
        (qcow2(extension=(0x44415441, b"/etc/passwd\0\0\0\0\0")), "ExternalDataFile"),
        (qcow2(extension=(0xE2792ACA, b"qcow2\0\0\0")), "BackingFile"),
        (b"QFI\xfb" + b"\0" * 56, "CorruptImage"),
        (b"LUKS\xba\xbe".ljust(MIB, b"\0"), "UnsupportedFormat"),
        (b"\x7fELF".ljust(MIB, b"\0"), "UnsupportedFormat"),
        (b"\x1f\x8b\x08".ljust(MIB, b"\0"), "UnsupportedFormat"),
        (b"<html>".ljust(MIB, b"\0"), "UnsupportedFormat"),
        (b"\0" * MIB, "NotADisk"),
        (b"\0" * 60, "NotADisk"),
        (raw(MIB + 1), "NotADisk"),
    ],
)
def test_refused(head, reason):
    with pytest.raises(ImageError) as caught:
        look(head)
    assert caught.value.reason == reason
    assert caught.value.permanent


def test_declared_and_found_must_agree():
    with pytest.raises(ImageError, match="the Image says raw, the file is qcow2"):
        look(qcow2(), declared=ImageFormat.RAW)
    with pytest.raises(ImageError, match="the Image says qcow2, the file is raw"):
        look(raw(), declared=ImageFormat.QCOW2)


def test_a_small_file_may_not_unfold_to_a_huge_disk():
    with pytest.raises(ImageError, match="at most 1048576") as caught:
        look(qcow2(), limit=MIB)
    assert caught.value.reason == "ImageTooLarge"


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"KDMV", "vmdk"),
        (b"# Disk DescriptorFile\n", "vmdk"),
        (b"conectix", "vhd"),
        (b"vhdxfile", "vhdx"),
        (b"\0" * 0x40 + b"\x7f\x10\xda\xbe", "vdi"),
    ],
)
def test_formats_that_the_configuration_does_not_name_are_refused_before_anything_reads_them(head, found):
    with pytest.raises(ImageError, match=f"the file is {found}; this cloud accepts qcow2, raw") as caught:
        look(head.ljust(MIB, b"\0"), accepted=(ImageFormat.QCOW2, ImageFormat.RAW))
    assert caught.value.reason == "UnsupportedFormat"


def test_a_disc_is_no_disk_unless_it_is_both():
    disc = bytearray(MIB)
    disc[0x8001:0x8006] = b"CD001"
    hybrid = bytes(disc[:510] + b"\x55\xaa" + disc[512:])
    assert look(bytes(disc)).format is ImageFormat.ISO
    assert look(hybrid).format is ImageFormat.ISO
    assert look(hybrid, declared=ImageFormat.RAW).format is ImageFormat.RAW
    with pytest.raises(ImageError, match="the Image says raw, the file is iso"):
        look(bytes(disc), declared=ImageFormat.RAW)
