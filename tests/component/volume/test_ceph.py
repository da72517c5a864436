"""Driver rbd beyond the contract: who is let in, what is left behind, what is copied while somebody writes."""

import asyncio
import json
from dataclasses import replace

import pytest

from orlop_agent.failure import StepError
from orlop_agent.volume import librbd, qemu_img, rbd
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.local import LocalVolumes
from orlop_api.ceph import CephMonitor
from orlop_api.volume_class import LocalParameters, VolumeLocation
from support.ceph import KEY, POOL
from support.disks import MIB, held, holds, write

from .conftest import ceph_volumes, pooled

pytestmark = pytest.mark.component
UID, COPY = "7e7e7e7e-0000-4000-8000-00000000000a", "7e7e7e7e-0000-4000-8000-00000000000b"
SIZE = 4 * MIB
ANOTHER_KEY = "AQDAeghrhhY1ChAAm1yvNLyvvhJUBzFmmmd0wg=="


@pytest.fixture
async def data(ceph):
    """Where a Volume's data is; nothing is left of it in the end."""
    where = VolumeData(UID, pooled(ceph))
    yield where
    for uid in (UID, COPY):
        await ceph_volumes().delete(VolumeData(uid, where.location))
    assert ceph.images() == []


def elsewhere(data, **changes):
    return VolumeData(data.uid, VolumeLocation(rbd=data.location.rbd.model_copy(update=changes)))


async def refusal(call):
    with pytest.raises(StepError) as error:
        await call
    return error.value.reason, error.value.message


async def test_what_does_not_let_in_is_named(data):
    nobody = elsewhere(data, monitors=[CephMonitor(host="127.0.0.1", port=1)])
    told = await asyncio.gather(
        refusal(ceph_volumes(key=ANOTHER_KEY).exists(data)),
        refusal(ceph_volumes().create(elsewhere(data, pool="other"), SIZE)),
        refusal(ceph_volumes().exists(nobody)),
    )
    assert told == [
        ("CredentialsRefused", "the key in Secret orlop-system/ceph is not that of Ceph user orlop"),
        ("PoolNotFound", "the Ceph cluster has no pool other"),
        ("CephUnreachable", "no monitor of the Ceph cluster answers this node in time"),
    ]


async def test_a_user_without_rights_in_the_pool_is_told_so(data, ceph):
    ceph.run("ceph", "osd", "pool", "create", "others", "1", "1")
    reason, message = await refusal(ceph_volumes().create(elsewhere(data, pool="others"), SIZE))
    assert (reason, message) == (
        "CredentialsRefused",
        "Ceph user orlop may not do that in pool others: see its caps",
    )


async def test_a_node_without_the_bindings_says_so(data, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(rbd, "_PYTHON", "/usr/bin/false")
        assert (await refusal(ceph_volumes().exists(data)))[0] == "CephError"
    request = {"monitors": "", "user": None, "key": None, "pool": "", "name": "", "call": "size"}
    assert librbd.answer(request)["error"] == "Missing", "the tests' own Python has none"


async def test_what_is_copied_is_one_moment_whoever_writes(data, ceph):
    driver, copy = ceph_volumes(), VolumeData(COPY, data.location)
    await driver.create(data, SIZE)
    await write(driver.disk(data), 0x11, 0, SIZE)
    async with held(driver.disk(data)), driver.origin(data) as origin:
        assert origin.in_use
        await write(driver.disk(data), 0x22, 0, SIZE)
        await driver.copy_from(copy, origin.disk, SIZE)
    await holds(driver.disk(copy), 0x11, 0, SIZE)
    await holds(driver.disk(data), 0x22, 0, SIZE)
    assert ceph.snapshots(f"orlop-{UID}") == []


async def test_a_copy_may_be_kept_elsewhere(data, tmp_path):
    driver, files = ceph_volumes(), LocalVolumes(tmp_path)
    await driver.create(data, SIZE)
    await write(driver.disk(data), 0x5A, MIB, MIB)
    kept = VolumeData(COPY, VolumeLocation(local=LocalParameters()))
    async with driver.origin(data) as origin:
        await files.copy_from(kept, origin.disk, SIZE)
    await holds(files.disk(kept), 0x5A, MIB, MIB)
    await holds(files.disk(kept), 0, 2 * MIB, 2 * MIB)


async def test_the_lock_is_handed_over_and_so_is_no_fence(data):
    """That there is one writer is the claim's business: Ceph's own lock goes to whoever writes next."""
    driver = ceph_volumes()
    await driver.create(data, SIZE)
    async with held(driver.disk(data)):
        await write(driver.disk(data), 0x11, 0, MIB)
        reason, _ = await refusal(driver.delete(data))
        assert reason == "InUse"
    await holds(driver.disk(data), 0x11, 0, MIB)


async def test_it_grows_under_a_machine_that_has_it(data):
    driver = ceph_volumes()
    await driver.create(data, SIZE)
    await write(driver.disk(data), 0x5A, SIZE - MIB, MIB)
    async with held(driver.disk(data)) as tell:
        await tell("block_resize", device="held", size=2 * SIZE)
        assert await driver.size(data) == 2 * SIZE
    await holds(driver.disk(data), 0x5A, SIZE - MIB, MIB)
    await holds(driver.disk(data), 0, SIZE, SIZE)


async def test_two_nodes_that_make_the_same_make_one(data, ceph):
    nodes = [ceph_volumes(f"node-{number}") for number in range(3)]
    await asyncio.gather(*(node.create(data, SIZE) for node in nodes))
    assert ceph.images() == [f"orlop-{UID}"]
    await write(nodes[0].disk(data), 0x5A, 0, MIB)
    # One that is late by all of it: the other's is there, and in use.
    late = await nodes[1]._make(data, SIZE)
    await nodes[1]._publish(data, late)
    assert ceph.images() == [f"orlop-{UID}"]
    await holds(nodes[2].disk(data), 0x5A, 0, MIB)


async def test_what_a_killed_agent_left_goes(data, ceph):
    driver = ceph_volumes()
    left = await driver._make(data, SIZE)
    other = await ceph_volumes("node-2")._make(data, SIZE)
    await driver.create(data, SIZE)
    assert left not in ceph.images(), "the next try of the same node"
    await driver._call("take", data, snapshot=f"orlop-copy-{driver._node}-left", stale="none", kept=[])
    await driver._call("take", data, snapshot="orlop-copy-another-node", stale="none", kept=[])
    async with driver.origin(data):
        assert f"orlop-copy-{driver._node}-left" not in ceph.snapshots(f"orlop-{UID}")
    assert ceph.snapshots(f"orlop-{UID}") == ["orlop-copy-another-node"]
    assert other in ceph.images()
    await driver.delete(data)
    assert ceph.images() == []


async def test_others_images_and_snapshots_are_nobody_s_to_remove(data, ceph):
    driver = ceph_volumes()
    await driver.create(data, SIZE)
    ceph.run("rbd", "--pool", POOL, "create", "--size", "1", f"orlop-{UID}x")
    ceph.run("rbd", "--pool", POOL, "snap", "create", f"orlop-{UID}@mine")
    reason, message = await refusal(driver.delete(data))
    assert (reason, "snapshots" in message) == ("HasSnapshots", True)
    ceph.run("rbd", "--pool", POOL, "snap", "rm", f"orlop-{UID}@mine")
    await driver.delete(data)
    assert ceph.images() == [f"orlop-{UID}x"]
    ceph.run("rbd", "--pool", POOL, "rm", f"orlop-{UID}x")


async def test_a_cluster_that_is_silent_holds_up_nobody(data, ceph, monkeypatch):
    driver = ceph_volumes()
    await driver.create(data, SIZE)
    monkeypatch.setattr(rbd, "_DEADLINE", 2.0)
    ceph.pause()
    try:
        assert (await refusal(driver.size(data)))[0] == "CephUnreachable"
    finally:
        ceph.go_on()
    monkeypatch.undo()
    assert await driver.size(data) == SIZE


async def test_no_command_line_holds_the_key(data, ceph, monkeypatch):
    started = []
    start = asyncio.create_subprocess_exec

    async def noting(*command, **options):
        started.append(command)
        return await start(*command, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noting)
    driver, copy = ceph_volumes(), VolumeData(COPY, data.location)
    await driver.create(data, SIZE)
    async with driver.origin(data) as origin:
        await driver.copy_from(copy, origin.disk, SIZE)
    assert {command[0] for command in started} == {"/usr/bin/python3", "qemu-img"}
    assert KEY not in json.dumps(started, default=str)
    assert KEY not in repr(origin)


async def test_what_a_making_left_open_is_not_forgotten_with_the_volume(data, ceph):
    """Who deletes is the last one to look: it has to be tried again while somebody has a half image open."""
    driver = ceph_volumes()
    await driver.create(data, SIZE)
    left = await ceph_volumes("node-2")._make(data, SIZE)
    image = replace(driver.disk(data).source, image=left)
    async with held(replace(driver.disk(data), source=image)):
        assert await refusal(driver.delete(data)) == ("InUse", "somebody has the image open")
    assert left in ceph.images()
    await driver.delete(data)
    assert ceph.images() == []


async def test_of_a_copy_that_fails_or_is_given_up_nothing_stays(data, ceph, monkeypatch):
    driver, copy = ceph_volumes(), VolumeData(COPY, data.location)
    await driver.create(data, SIZE)
    seen = []

    async def size(*_):
        return SIZE

    async def full(*_):
        seen.append(ceph.images())
        raise StepError("DiskFull", "as if there was no room")

    async def endless(*_):
        seen.append(ceph.images())
        copying.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(qemu_img, "fill", full)
    monkeypatch.setattr(qemu_img, "virtual_size", size)
    assert (await refusal(driver.copy_from(copy, driver.disk(data), SIZE)))[0] == "DiskFull"
    assert ceph.images() == [f"orlop-{UID}"]
    copying = asyncio.Event()
    monkeypatch.setattr(qemu_img, "fill", endless)
    work = asyncio.create_task(driver.copy_from(copy, driver.disk(data), SIZE))
    await copying.wait()
    work.cancel()
    await asyncio.wait([work])
    assert work.cancelled()
    assert ceph.images() == [f"orlop-{UID}"]
    assert [len(images) for images in seen] == [2, 2], "it was there in between"
