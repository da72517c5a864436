"""Encrypted Volumes in a node's pool, as tests of them begin."""

import asyncio

from orlop_agent.simulate import SimulatedHypervisor
from orlop_agent.snapshots import Snapshots
from orlop_agent.volume.driver import VolumeData
from orlop_api.assignment import AssignedVolume
from orlop_api.image import DiskFormat
from orlop_api.storage import StorageAction, StorageOrder
from orlop_api.volume_class import Encryption, LocalParameters, Preallocation, VolumeLocation
from support.disks import MIB, RefusedError

KEY, OTHER_KEY = b"correct horse battery staple", b"another one"
UID, COPY = "7e7e7e7e-0000-4000-8000-00000000000a", "7e7e7e7e-0000-4000-8000-00000000000b"
GUEST = "7e7e7e7e-0000-4000-8000-00000000000c"
SIZE = 4 * MIB
MARKER = b"\x5a" * 4096


def where(form=DiskFormat.QCOW2, preallocation=Preallocation.OFF):
    kept = LocalParameters(format=form, preallocation=preallocation)
    return VolumeLocation(local=kept, encryption=Encryption.LUKS)


def data(uid=UID, key=KEY, **kind):
    return VolumeData(uid, where(**kind), key)


def order(created="Unknown", uid=UID, **changes):
    it = {"name": "data", "volume_uid": uid, "location": where(), "size_bytes": SIZE, "created": created}
    return AssignedVolume(**it | changes)


def no_origin(_):
    raise AssertionError("it begins empty")


async def ran(*command, given=b""):
    """What another program says; RefusedError where it does not do it."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, why = await process.communicate(given)
    if process.returncode:
        raise RefusedError(why.decode())
    return said.decode()


def snapshots(layout, drivers, hypervisor=None):
    return Snapshots(layout, drivers, hypervisor or SimulatedHypervisor())


def snapshot_order(uid=COPY, location=None):
    return StorageOrder(uid=uid, action=StorageAction.SNAPSHOT, location=location or where(), volume_uid=UID)
