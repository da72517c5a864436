import shutil
import subprocess
from pathlib import Path

import pytest

from orlop_guests import cpio


def test_the_archive_is_what_cpio_reads(tmp_path: Path):
    (tmp_path / "tree/sbin").mkdir(parents=True)
    (tmp_path / "tree/sbin/go").write_text("#!/bin/sh\n")
    (tmp_path / "tree/sbin/go").chmod(0o700)
    data = cpio.archive(
        [
            cpio.directory("tmp", 0o1777),
            *cpio.tree(tmp_path / "tree"),
            cpio.file("etc/deep/name", b"12345"),
            cpio.character_device("dev/console", 5, 1),
        ]
    )
    if not shutil.which("cpio"):
        pytest.skip("no cpio here")
    listed = subprocess.run(["cpio", "-itv", "--quiet"], input=data, capture_output=True, check=True)
    lines = [line.split() for line in listed.stdout.decode().splitlines()]
    assert [(line[0], line[-1]) for line in lines] == [
        ("drwxrwxrwt", "tmp"),
        ("drwxr-xr-x", "sbin"),
        ("-rwxr-xr-x", "sbin/go"),
        ("drwxr-xr-x", "etc"),
        ("drwxr-xr-x", "etc/deep"),
        ("-rw-r--r--", "etc/deep/name"),
        ("drwxr-xr-x", "dev"),
        ("crw-------", "dev/console"),
    ]
    content = subprocess.run(
        ["cpio", "-i", "--to-stdout", "--quiet", "etc/deep/name"], input=data, capture_output=True, check=True
    )
    assert content.stdout == b"12345"


def test_every_record_starts_at_four_bytes():
    data = cpio.archive(
        [cpio.file(name, b"x" * length) for length, name in enumerate(["a", "bc", "def", "ghij"])]
    )
    starts = [at for at in range(len(data)) if data[at : at + 6] == b"070701"]
    assert len(starts) == 5
    assert all(at % 4 == 0 for at in starts)
    assert len(data) % 4 == 0
