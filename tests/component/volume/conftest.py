"""A place for each driver to keep data in, real to the last byte."""

import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from orlop_agent.domain.spec import Disk
from orlop_agent.libvirt import LibvirtHypervisor
from orlop_agent.paths import Layout
from orlop_agent.volume import luks
from orlop_agent.volume.driver import VolumeData, VolumeDriver
from orlop_agent.volume.drivers import Drivers
from orlop_agent.volume.iscsi import IscsiVolumes
from orlop_agent.volume.local import LocalVolumes
from orlop_agent.volume.nbd import NbdVolumes
from orlop_agent.volume.pools import SharedPools
from orlop_agent.volume.rbd import RbdVolumes
from orlop_agent.volume.shared import SharedVolumes
from orlop_agent.volume.tgt import Tgt
from orlop_api.ceph import CephMonitor, RbdLocation
from orlop_api.image import DiskFormat
from orlop_api.volume_class import (
    Driver,
    Encryption,
    IscsiLocation,
    LocalParameters,
    NbdLocation,
    Preallocation,
    SharedLocation,
    TgtTargets,
    VolumeLocation,
)
from orlop_cluster.debroot import NODE
from support.ceph import KEY, POOL, USER, Ceph
from support.disks import MIB, holds
from support.exports import Exports
from support.guest import BUILD
from support.noderoot import NodeLibvirt
from support.targets import ACCOUNT, PASSWORD, Tgtd

SIZE = 4 * MIB
PASSPHRASE = 'in "quotes", with blanks, and ö\n'.encode()


def mount(server, pool):
    subprocess.run(["mount", "--bind", server, pool], check=True)


def unmount(pool):
    subprocess.run(["umount", pool], check=True)


@dataclass
class Rig:
    """A driver, and where its Volumes are."""

    driver: VolumeDriver
    location: VolumeLocation
    makes: bool = True
    """Whether it makes, copies, grows and deletes data, or takes what is there."""
    passphrase: bytes | None = None
    noisy: bool = False
    """Whether what nobody wrote reads as noise."""

    def data(self, uid: str) -> VolumeData:
        """A Volume's data."""
        return VolumeData(uid, self.location, self.passphrase)

    async def blank(self, disk: Disk, at: int, length: int) -> None:
        """Nobody wrote there."""
        if not self.noisy:
            await holds(disk, 0, at, length)


@dataclass
class IscsiRig(Rig):
    """Each Volume has a target of its own."""

    def data(self, uid: str) -> VolumeData:
        where = self.location.iscsi
        named = where.model_copy(update={"target": where.target.format(uid=uid)})
        return VolumeData(uid, self.location.model_copy(update={"iscsi": named}), self.passphrase)


def local(form, preallocation=Preallocation.OFF, passphrase=None):
    @asynccontextmanager
    async def ready(tmp_path) -> AsyncIterator[Rig]:
        kept = LocalParameters(format=form, preallocation=preallocation)
        where = VolumeLocation(local=kept, encryption=Encryption.LUKS if passphrase else None)
        noisy = passphrase is not None and form is DiskFormat.RAW
        yield Rig(LocalVolumes(tmp_path), where, passphrase=passphrase, noisy=noisy)

    return ready


def shared(form):
    @asynccontextmanager
    async def ready(tmp_path) -> AsyncIterator[Rig]:
        if os.geteuid() != 0:
            pytest.skip("only root can mount a pool")
        pool = tmp_path / "shared/nfs-a"
        server = tmp_path / "server"
        for directory in (pool, server):
            directory.mkdir(parents=True)
        (server / "pool-id").write_text("p-1\n")
        mount(server, pool)
        try:
            kept = SharedLocation(pool="nfs-a", pool_id="p-1", format=form)
            yield Rig(SharedVolumes(SharedPools(tmp_path / "shared")), VolumeLocation(shared=kept))
        finally:
            unmount(pool)

    return ready


@asynccontextmanager
async def nbd(tmp_path) -> AsyncIterator[Rig]:
    async with Exports(tmp_path) as server:
        await server.export("vol-1", SIZE)
        where = NbdLocation(host="127.0.0.1", port=server.port, export="vol-1")
        yield Rig(NbdVolumes(), VolumeLocation(nbd=where), makes=False)


def chap(_uid: str) -> bytes:
    """The secret of every Volume's account."""
    return PASSWORD.encode()


def iscsi(account, passphrase=None):
    @asynccontextmanager
    async def ready(tmp_path) -> AsyncIterator[Rig]:
        async with Tgtd() as server:
            directory = tmp_path / "targets"
            directory.mkdir()
            where = IscsiLocation(
                host="127.0.0.1",
                port=server.port,
                target="iqn.2026-01.dev.orlop:{uid}",
                lun=1,
                account=account,
                tgt=TgtTargets(hypervisor_name="node-1"),
            )
            location = VolumeLocation(iscsi=where, encryption=Encryption.LUKS if passphrase else None)
            serving = IscsiVolumes("node-1", directory, Tgt(), chap)
            yield IscsiRig(serving, location, passphrase=passphrase, noisy=passphrase is not None)

    return ready


def pooled(ceph: Ceph, encryption: Encryption | None = None) -> VolumeLocation:
    """Where the small Ceph keeps Volumes."""
    monitors = [CephMonitor(**monitor) for monitor in ceph.monitors]
    where = RbdLocation(monitors=monitors, pool=POOL, image_name="orlop-{uid}", user=USER, credentials="ceph")
    return VolumeLocation(rbd=where, encryption=encryption)


def ceph_volumes(node: str = "node-1", key: str = KEY) -> RbdVolumes:
    """The driver of a node that was given the key of Secret `ceph`."""
    return RbdVolumes(node, {"ceph": key}.__getitem__)


def rbd(passphrase=None):
    @asynccontextmanager
    async def ready(ceph) -> AsyncIterator[Rig]:
        where = pooled(ceph, Encryption.LUKS if passphrase else None)
        try:
            yield Rig(ceph_volumes(), where, passphrase=passphrase, noisy=passphrase is not None)
        finally:
            for image in ceph.images():
                ceph.run("rbd", "--pool", POOL, "snap", "purge", image)
                ceph.run("rbd", "--pool", POOL, "rm", image)

    return ready


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Each of the many times that a disk is opened here."""
    monkeypatch.setattr(luks, "MILLISECONDS", luks.QUICK)


RIGS = {
    "local-qcow2": local(DiskFormat.QCOW2),
    "local-raw": local(DiskFormat.RAW),
    "local-qcow2-luks": local(DiskFormat.QCOW2, passphrase=PASSPHRASE),
    "local-raw-luks": local(DiskFormat.RAW, passphrase=PASSPHRASE),
    "local-raw-falloc": local(DiskFormat.RAW, Preallocation.FALLOC),
    "shared-qcow2": shared(DiskFormat.QCOW2),
    "shared-raw": shared(DiskFormat.RAW),
    "nbd": nbd,
    "iscsi": iscsi(None),
    "iscsi-chap": iscsi(ACCOUNT),
    "iscsi-chap-luks": iscsi(ACCOUNT, PASSPHRASE),
    "rbd": rbd(),
    "rbd-luks": rbd(PASSPHRASE),
}


@pytest.fixture(scope="package")
def ceph(tmp_path_factory):
    """One for all that need it: it takes a while to start."""
    with Ceph(tmp_path_factory.mktemp("ceph")) as running:
        yield running


def place(request, tmp_path):
    """Where a rig keeps its data."""
    return request.getfixturevalue("ceph") if request.param.startswith("rbd") else tmp_path


@pytest.fixture(params=RIGS)
async def rig(request, tmp_path):
    """One of each."""
    async with RIGS[request.param](place(request, tmp_path)) as made:
        yield made


@pytest.fixture(params=[name for name in RIGS if name != "nbd"])
async def maker(request, tmp_path):
    """One of those that make their data; what the others refuse is in test_exports.py."""
    async with RIGS[request.param](place(request, tmp_path)) as made:
        yield made


@pytest.fixture(params=[name for name in RIGS if name.startswith(("local", "shared"))])
async def filed(request, tmp_path):
    """One of those whose data QEMU opens as a file, with its locks."""
    async with RIGS[request.param](place(request, tmp_path)) as made:
        yield made


@pytest.fixture(scope="package", params=["xfs", "btrfs"])
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
    done = subprocess.run(
        ["mount", "-o", "loop", image, mounted], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"this machine's kernel mounts no {request.param} from a file: {done.stderr.strip()}")
    yield mounted
    subprocess.run(["umount", mounted], check=True)


@pytest.fixture
def layout(tmp_path):
    made = Layout(tmp_path)
    made.prepare()
    return made


@pytest.fixture
def pool(layout):
    return LocalVolumes(layout.volumes)


@pytest.fixture
def drivers(pool):
    return Drivers({Driver.LOCAL: pool})


@pytest.fixture(scope="module")
def tiny():
    """The directory of the tiny guest's files."""
    built = subprocess.run([BUILD, "tiny"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return Path(built.split()[1]).parent


@pytest.fixture
async def hypervisor():
    """The agent's adapter of a libvirtd in a root of the node's layers, and a directory that both see."""
    if os.geteuid() != 0:
        pytest.skip("only root can enter a root of the node's layers")
    if not all(layer.directory.exists() for layer in NODE.stack()):
        pytest.skip("the node's layers are not built: cluster/dev build")
    with NodeLibvirt() as node:
        made = LibvirtHypervisor(node.uri)
        yield made, node.data
        for domain in await made.list_all():
            await made.destroy(domain.mark.instance_uid)
        await made.close()
