"""Disks that must not be let in: what is in each, and the words that refuse it."""
# ruff: noqa: E501 - the corpus is a table, a row for each file

import gzip
import io
import lzma
import os
import struct
import tarfile
from dataclasses import dataclass

import zstandard

MIB = 1 << 20
ZEROS = bytes(64 * MIB)


@dataclass(frozen=True)
class Hostile:
    """One file, what the Image says that it is, and why it is refused."""

    name: str
    body: bytes
    says: str
    format: str | None = None


def qcow2(**change):
    """A sound header of 64 MiB with some fields changed, and enough bytes after it."""
    field = {
        "version": 3, "backing": 0, "backing_size": 0, "cluster_bits": 16, "size": 64 * MIB, "crypt": 0,
        "l1_size": 1, "l1_offset": 0x30000, "refcount_offset": 0x10000, "refcount_clusters": 1,
        "snapshots": 0, "snapshots_offset": 0, "incompatible": 0, "extension": (0, b""), "name": b"",
    } | change  # fmt: skip
    names = ("version", "backing", "backing_size", "cluster_bits", "size", "crypt", "l1_size", "l1_offset",
             "refcount_offset", "refcount_clusters", "snapshots", "snapshots_offset")  # fmt: skip
    head = b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQ", *(field[name] for name in names))
    head += struct.pack(">QQQII", field["incompatible"], 0, 0, 4, 104)
    kind, data = field["extension"]
    head += struct.pack(">II", kind, len(data)) + data
    head = head.ljust(512, b"\0") + field["name"]
    return head.ljust(4 << 16, b"\0")


def backed(name):
    return qcow2(backing=512, backing_size=len(name), name=name)


def patched(body, *changes):
    """Bytes put over others, at offsets."""
    made = bytearray(body)
    for offset, data in changes:
        at = offset if offset >= 0 else len(made) + offset
        made[at : at + len(data)] = data
    return bytes(made)


def descriptor(kind, *extents):
    lines = [
        "# Disk DescriptorFile",
        "version=1",
        "CID=fffffffe",
        "parentCID=ffffffff",
        f'createType="{kind}"',
        *extents,
    ]
    return "\n".join(lines).encode().ljust(MIB, b"\0")


def sparse_vmdk(text, capacity=128):
    header = struct.pack(
        "<4sIIQQQQIQQQB4sH", b"KDMV", 1, 3, capacity, 128, 1, 20, 512, 0, 21, 128, 0, b"\n \r\n", 0
    )
    return (header.ljust(512, b"\0") + text.encode()).ljust(MIB, b"\0")


def _text(extent='RW 128 SPARSE "disk.vmdk"', kind="monolithicSparse", more=""):
    return (
        f'# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n{more}createType="{kind}"\n{extent}\n'
    )


def tar(name="disk.raw"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = MIB
        archive.addfile(info, io.BytesIO(bytes(MIB)))
    return buffer.getvalue()


def images(raw, vhd, vhdx, vdi):
    """The corpus, from one good disk in some formats."""
    secret = b"/etc/passwd"
    polyglot = patched(qcow2(), (0x8001, b"CD001"))
    zstd = zstandard.ZstdCompressor
    wide = zstandard.ZstdCompressionParameters.from_level(3, window_log=29)
    dynamic = vhd.index(b"cxsparse")
    log_at = [at + 48 for at in (64 << 10, 128 << 10)]
    parent = "the Image says qcow2"
    return [
        Hostile("a backing file", backed(secret), "the image has a backing file: flatten it"),
        Hostile("a backing file by json", backed(b'json:{"file.filename":"/etc/passwd"}'), "has a backing file"),
        Hostile("a backing file by nbd", backed(b"nbd://169.254.169.254/x"), "has a backing file"),
        Hostile("a backing format", qcow2(extension=(0xE2792ACA, b"qcow2\0\0\0")), "names a backing format"),
        Hostile("an external data file", qcow2(extension=(0x44415441, secret + b"\0" * 5)), "keeps its data in another file"),
        Hostile("the data file's bit", qcow2(incompatible=4), "incompatible features 0x4"),
        Hostile("the dirty bit", qcow2(incompatible=1), "incompatible features 0x1"),
        Hostile("the corrupt bit", qcow2(incompatible=2), "incompatible features 0x2"),
        Hostile("extended L2 entries", qcow2(incompatible=16), "incompatible features 0x10"),
        Hostile("an unknown bit", qcow2(incompatible=1 << 40), "incompatible features 0x10000000000"),
        Hostile("AES", qcow2(crypt=1), "encrypted images are not supported"),
        Hostile("LUKS inside", qcow2(crypt=2), "encrypted images are not supported"),
        Hostile("65535 snapshots", qcow2(snapshots=65535), "internal snapshots: remove them"),
        Hostile("an L1 table of 2^31", qcow2(l1_size=2**31), "corrupt qcow2 header: l1_size 2147483648"),
        Hostile("a huge refcount table", qcow2(refcount_clusters=2**31), "a refcount table of 2147483648 clusters"),
        Hostile("clusters of a GiB", qcow2(cluster_bits=30), "cluster_bits 30; 9 to 21 are allowed"),
        Hostile("clusters of 32 bytes", qcow2(cluster_bits=5), "cluster_bits 5; 9 to 21 are allowed"),
        Hostile("version 1", qcow2(version=1), "version 1; 2 and 3 are known"),
        Hostile("version 9", qcow2(version=9), "version 9; 2 and 3 are known"),
        Hostile("an EiB", qcow2(size=1 << 60, cluster_bits=21, l1_size=2**21), f"the disk is {1 << 60} bytes, at most"),
        Hostile("a stub", b"QFI\xfb".ljust(60, b"\0"), "60 bytes are too few"),
        Hostile("a polyglot", polyglot, "the file is several formats at once", "qcow2"),
        Hostile("raw that is qcow2", qcow2(), "the Image says raw, the file is qcow2", "raw"),
        Hostile("qcow2 that is raw", raw, f"{parent}, the file is raw", "qcow2"),
        Hostile("nothing", b"", "0 bytes are no raw disk"),
        Hostile("511 bytes", bytes(511), "511 bytes are no raw disk"),
        Hostile("zeros", bytes(MIB), "no partition table and no ISO 9660 signature"),
        Hostile("an error page", b"<html><h1>404".ljust(MIB, b" "), "looks like html or xml, which is no disk"),
        Hostile("a program", b"\x7fELF".ljust(MIB, b"\0"), "looks like elf, which is no disk"),
        Hostile("a LUKS volume", b"LUKS\xba\xbe".ljust(MIB, b"\0"), "looks like luks, which is no disk"),
        Hostile("a qed disk", b"QED\0".ljust(MIB, b"\0"), "looks like qed, which is no disk"),
        Hostile("a tar", tar(), "looks like tar, which is no disk"),
        Hostile("a zip", b"PK\x03\x04".ljust(MIB, b"\0"), "looks like zip, which is no disk"),
        Hostile("vmdk: a descriptor", descriptor("monolithicFlat", 'RW 1 FLAT "/etc/passwd" 0'), "its data is in other files"),
        Hostile("vmdk: ESX's sparse", b"COWD".ljust(MIB, b"\0"), "its data is in other files"),
        Hostile("vmdk: no data of its own", sparse_vmdk(_text(), capacity=0), "its data is in other files"),
        Hostile("vmdk: a flat extent", sparse_vmdk(_text('RW 1 FLAT "/etc/passwd" 0')), "names an extent outside the file"),
        Hostile("vmdk: a path", sparse_vmdk(_text('RW 128 SPARSE "/etc/passwd"')), "names an extent outside the file"),
        Hostile("vmdk: two extents", sparse_vmdk(_text('RW 8 SPARSE "a"\nRW 8 SPARSE "b"')), "names an extent outside the file"),
        Hostile("vmdk: a parent", sparse_vmdk(_text(more='parentFileNameHint="/etc/passwd"\n')), "the vmdk has a parent"),
        Hostile("vmdk: an odd type", sparse_vmdk(_text(kind="vmfsRaw")), "vmdk of type vmfsRaw"),
        Hostile("vmdk: a huge directory", sparse_vmdk(_text(), capacity=1 << 50), "a grain directory for"),
        Hostile("vhd: differencing", patched(vhd, (63, b"\x04"), (-449, b"\x04")), "the vhd is a differencing disk"),
        Hostile("vhd: a huge table", patched(vhd, (dynamic + 28, b"\xff\xff\xff\xff")), "a block table of 4294967295 entries"),
        Hostile("vhd: a parent", patched(vhd, (dynamic + 576, b"W2ru")), "the vhd names a parent"),
        Hostile("vhdx: a log", patched(vhdx, *((at, b"\1" * 16) for at in log_at)), "was not closed cleanly"),
        Hostile("vhdx: no region table", patched(vhdx, (192 << 10, b"x"), (256 << 10, b"x")), "region tables are missing"),
        Hostile("vdi: differencing", patched(vdi, (0x4C, b"\x04")), "the vdi is a differencing disk"),
        Hostile("vdi: a parent", patched(vdi, (0x1A8, b"\1" * 16)), "the vdi is a differencing disk"),
        Hostile("vdi: a huge map", patched(vdi, (0x180, b"\xff\xff\xff\xff")), "4294967295 blocks"),
        Hostile("a gzip bomb", gzip.compress(ZEROS, 1) * 20, "unfolds to over 100 times its size"),
        Hostile("an xz bomb", lzma.compress(ZEROS, preset=0) * 20, "unfolds to over 100 times its size"),
        Hostile("a zstd bomb", zstd().compress(ZEROS) * 20, "unfolds to over 100 times its size"),
        Hostile("gzip in gzip", gzip.compress(gzip.compress(raw)), "another gzip stream; one layer is unfolded"),
        Hostile("xz in zstd", zstd().compress(lzma.compress(raw, preset=0)), "another xz stream; one layer is unfolded"),
        Hostile("half a gzip", gzip.compress(raw)[:-100], "the gzip stream ends early"),
        Hostile("half a zstd", zstd().compress(raw)[:-100], "the zstd stream ends early"),
        Hostile("a damaged xz", patched(lzma.compress(raw, preset=0), (4000, b"\xff" * 64)), "the xz stream cannot be unfolded"),
        Hostile("gzip and rubbish", gzip.compress(raw) + b"rubbish", "the gzip stream cannot be unfolded"),
        Hostile("a zstd window of 512 MiB", zstd(compression_params=wide).compressobj().compress(os.urandom(MIB)) + b"", "the zstd"),
    ]  # fmt: skip
