"""A place for each driver to keep data in, real to the last byte."""

import os
import subprocess
from dataclasses import dataclass

import pytest

from orlop_agent.volume.driver import VolumeData, VolumeDriver
from orlop_agent.volume.local import LocalVolumes
from orlop_api.image import DiskFormat
from orlop_api.volume import LocalParameters, Preallocation, VolumeLocation


@dataclass
class Rig:
    """A driver, and where its Volumes are."""

    driver: VolumeDriver
    location: VolumeLocation

    def data(self, uid: str) -> VolumeData:
        """A Volume's data."""
        return VolumeData(uid, self.location)


def local(tmp_path, form, preallocation=Preallocation.OFF):
    kept = LocalParameters(format=form, preallocation=preallocation)
    return Rig(LocalVolumes(tmp_path), VolumeLocation(local=kept))


@pytest.fixture(scope="session", params=["xfs", "btrfs"])
def sharing(request, tmp_path_factory):
    """A file system that can share blocks between files."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system from a file")
    place = tmp_path_factory.mktemp(request.param)
    image, mounted = place / "image", place / "mounted"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(320 << 20)
    subprocess.run([f"mkfs.{request.param}", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, mounted], check=True)
    yield mounted
    subprocess.run(["umount", mounted], check=True)


RIGS = {
    "local-qcow2": lambda tmp_path: local(tmp_path, DiskFormat.QCOW2),
    "local-raw": lambda tmp_path: local(tmp_path, DiskFormat.RAW),
    "local-qcow2-metadata": lambda tmp_path: local(tmp_path, DiskFormat.QCOW2, Preallocation.METADATA),
    "local-raw-full": lambda tmp_path: local(tmp_path, DiskFormat.RAW, Preallocation.FULL),
    "local-raw-falloc": lambda tmp_path: local(tmp_path, DiskFormat.RAW, Preallocation.FALLOC),
}


@pytest.fixture(params=RIGS)
def rig(request, tmp_path):
    """One of each."""
    return RIGS[request.param](tmp_path)
