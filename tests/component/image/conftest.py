"""A store, a server that it may ask, and disks to be had from it."""

import os
import subprocess

import pytest

from orlop_agent.image.store import ImageStore
from orlop_api.config import ImageConfig
from orlop_api.hypervisor import ImportOrder
from orlop_api.image import ImageFormat
from support.imageserver import ImageServer
from support.partitions import BOOT_CODE, TABLE

SIZE = 16 << 20


@pytest.fixture
async def server():
    async with ImageServer() as server:
        yield server


@pytest.fixture
def store_of(tmp_path, server):
    """A store below `name` with a configuration of its own."""

    def store_of(name="images", **config):
        known = {"allowed_private_hosts": [server.host], "formats": list(ImageFormat)} | config
        return ImageStore(tmp_path / name, ImageConfig(**known))

    return store_of


@pytest.fixture(scope="session")
def raw_disk(tmp_path_factory):
    """A small disk with a partition table, some data, and nothing for most of it."""
    path = tmp_path_factory.mktemp("disk") / "disk.raw"
    with path.open("wb") as file:
        file.truncate(SIZE)
        file.seek(BOOT_CODE)
        file.write(TABLE)
        for at in (1 << 20, 5 << 20, 9 << 20):
            file.seek(at)
            file.write(os.urandom(700_000))
    return path


@pytest.fixture(scope="session")
def in_format(raw_disk, tmp_path_factory):
    """The same disk in another format, by qemu-img; its bytes."""
    folder = tmp_path_factory.mktemp("formats")

    def in_format(name, fmt, *options):
        path = folder / name
        if not path.exists():
            given = [part for option in options for part in ("-o", option)]
            command = ["qemu-img", "convert", "-f", "raw", "-O", fmt, *given, str(raw_disk), str(path)]
            subprocess.run(command, check=True)
        return path.read_bytes()

    return in_format


def order(source, checksum=None, **change):
    return ImportOrder(image_uid="u1", source=source, checksum=checksum, **change)


def nothing(_received, _expected):
    pass
