"""Disk images without a mount or a loop device: a partition, a boot loader, a file system, then qcow2."""

import struct
from pathlib import Path

from orlop_guests.packages import ProgramFailedError, run

SECTOR = 512
FIRST = 2048
"""The partition's first sector: 1 MiB in, where every tool has put it since disks have 4 KiB sectors."""
MBR_CODE = 440
"""Bytes of boot code before the disk's signature (the classic PC master boot record)."""
FAT16_LBA = 0x0E
LINUX = 0x83
EPOCH = {"SOURCE_DATE_EPOCH": "1767225600", "TZ": "UTC"}
"""The time of every file on a disk: 2026-01-01, for programs that honour the reproducible-builds variable."""


def master_boot_record(code: bytes, kind: int, sectors: int) -> bytes:
    """A boot record with one bootable partition, from FIRST to the end of a disk of `sectors`."""
    if len(code) > MBR_CODE:
        raise ValueError(f"boot code has {len(code)} bytes, a boot record holds {MBR_CODE}")
    beyond = b"\xfe\xff\xff"  # no cylinder, head and sector: the loader shall use the sector number
    entry = b"\x80" + beyond + bytes([kind]) + beyond + struct.pack("<II", FIRST, sectors - FIRST)
    return code.ljust(MBR_CODE, b"\0") + b"ORLP\0\0" + entry + bytes(48) + b"\x55\xaa"


def boot_code() -> bytes:
    """SYSLINUX's boot record code, that starts the active partition."""
    places = [Path("/usr/lib/syslinux/mbr/mbr.bin"), Path("/usr/lib/SYSLINUX/mbr.bin")]
    for place in places:
        if place.exists():
            return place.read_bytes()
    raise ProgramFailedError(
        f"none of {', '.join(map(str, places))} is there; package syslinux-common has it"
    )


def fat_disk(path: Path, megabytes: int, contents: dict[str, Path], label: str) -> None:
    """A raw disk with one bootable FAT partition that holds `contents` (name: file) and SYSLINUX."""
    sectors = megabytes * 1024 * 1024 // SECTOR
    with path.open("wb") as disk:
        disk.write(master_boot_record(boot_code(), FAT16_LBA, sectors))
        disk.truncate(sectors * SECTOR)
    offset = FIRST * SECTOR
    partition = f"{path}@@{offset}"
    # 16 KiB clusters: the loader follows one table entry for each of them. A fixed serial number and a
    # fixed time keep the same inputs the same disk.
    run("mformat", "-i", partition, "-T", str(sectors - FIRST), "-h", "64", "-s", "32", "-H", str(FIRST),
        "-c", "32", "-N", "4f524c50", "-v", label, "::", environment=EPOCH)  # fmt: skip
    for name, source in contents.items():
        run("mcopy", "-i", partition, source, f"::/{name}", environment=EPOCH)
    run("syslinux", "--install", "--offset", str(offset), path, environment=EPOCH)


def qcow2(raw: Path, path: Path, *, compressed: bool) -> None:
    """A version 3 qcow2 (compat 1.1), zlib if compressed: what every QEMU since 2.0 reads."""
    compress = ["-c"] if compressed else []
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", *compress,
        "-o", "compat=1.1,compression_type=zlib", raw, path)  # fmt: skip
