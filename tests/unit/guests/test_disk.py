import struct

import pytest

from orlop_guests import disk


def test_a_boot_record_with_one_bootable_partition():
    record = disk.master_boot_record(b"\xfa", disk.FAT16_LBA, 131072)
    assert len(record) == disk.SECTOR
    assert record[:2] == b"\xfa\0"
    assert record[510:] == b"\x55\xaa"
    active, kind, first, count = struct.unpack("<B3xB3xII", record[446:462])
    assert (active, kind, first, count) == (0x80, 0x0E, 2048, 131072 - 2048)
    assert record[462:510] == bytes(48)


def test_refuses_boot_code_that_would_reach_the_partition_table():
    with pytest.raises(ValueError, match="441 bytes"):
        disk.master_boot_record(bytes(441), disk.LINUX, 4096)
