"""The beginning of a disk that an import takes: without a partition table a raw file is no disk."""

BOOT_CODE = 446
"""Bytes before the table."""
TABLE = bytes.fromhex("80000000830000000008000000f00100").ljust(64, b"\0") + b"\x55\xaa"
"""One bootable Linux partition from sector 2048 on, and the signature."""
