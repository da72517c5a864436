"""Driver iscsi beyond the contract: who may log in, what a restart of tgtd leaves, what another node does."""

from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from orlop_agent.failure import StepError
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.iscsi import IscsiVolumes
from orlop_agent.volume.tgt import Tgt
from orlop_api.volume_class import IscsiLocation, TgtTargets, VolumeLocation
from support.disks import MIB, RefusedError, held, holds, qemu_io, write
from support.targets import ACCOUNT, Tgtd

from .conftest import chap

pytestmark = pytest.mark.component
SIZE = 4 * MIB
NAME = "iqn.2026-01.dev.orlop:v-1"


@pytest.fixture
async def server():
    async with Tgtd() as running:
        yield running


@pytest.fixture
def serving(tmp_path):
    return IscsiVolumes("node-1", tmp_path, Tgt(), chap)


def at(server, account=ACCOUNT, target=NAME, lun=1):
    made = TgtTargets(hypervisor_name="node-1")
    where = IscsiLocation(
        host="127.0.0.1", port=server.port, target=target, lun=lun, account=account, tgt=made
    )
    return VolumeData(target.rpartition(":")[2], VolumeLocation(iscsi=where))


async def test_only_the_account_logs_in(server, serving):
    data = at(server)
    await serving.create(data, SIZE)
    await write(serving.disk(data), 0x5A, 0, MIB)
    with pytest.raises(RefusedError, match="Status: Authentication failure"):
        await write(serving.disk(at(server, account=None)), 0x66, 0, MIB)
    await holds(serving.disk(data), 0x5A, 0, MIB)


async def test_an_account_that_is_missing_is_named(server, serving):
    with pytest.raises(StepError) as error:
        await serving.create(at(server, account="nobody"), SIZE)
    assert error.value.reason == "AccountNotFound"
    with pytest.raises(RefusedError):
        await holds(serving.disk(at(server, account=None)), 0, 0, MIB)


async def test_targets_come_back_after_tgtd_did(server, serving, tmp_path):
    names = [f"iqn.2026-01.dev.orlop:v-{number}" for number in range(3)]
    for name in names:
        await serving.create(at(server, target=name), SIZE)
        await write(serving.disk(at(server, target=name)), 0x5A, MIB, MIB)
    await server.stop()
    await server.start()
    with pytest.raises(RefusedError):
        await holds(serving.disk(at(server)), 0x5A, MIB, MIB)
    await IscsiVolumes("node-1", tmp_path, Tgt(), chap).restore()
    for name in names:
        await holds(serving.disk(at(server, target=name)), 0x5A, MIB, MIB)
    await serving.delete(at(server))
    await serving.restore()
    with pytest.raises(RefusedError):
        await holds(serving.disk(at(server)), 0x5A, MIB, MIB)


async def test_half_a_target_is_made_whole(server, serving):
    """A target that a killed agent left has no account yet, and nobody may log in."""
    tgt = Tgt()
    await tgt._run("new", "--tid", "7", "--targetname", NAME)
    with pytest.raises(RefusedError):
        await holds(serving.disk(at(server, account=None)), 0, 0, MIB)
    await serving.create(at(server), SIZE)
    await holds(serving.disk(at(server)), 0, 0, SIZE)


async def test_nothing_is_served_without_a_server(tmp_path, monkeypatch):
    monkeypatch.setenv("TGT_IPC_SOCKET", str(tmp_path / "none"))
    where = IscsiLocation(
        host="127.0.0.1", port=1, target=NAME, lun=1, tgt=TgtTargets(hypervisor_name="node-1")
    )
    with pytest.raises(StepError) as error:
        await IscsiVolumes("node-1", tmp_path, Tgt(), chap).create(
            VolumeData("v-1", VolumeLocation(iscsi=where)), SIZE
        )
    assert (error.value.reason, error.value.message) == (
        "TargetsUnavailable",
        "tgtd does not run on this node",
    )


async def test_another_node_takes_the_target_as_it_is(server, serving, tmp_path):
    data, elsewhere = at(server), IscsiVolumes("node-2", tmp_path / "other", Tgt(), chap)
    await serving.create(data, SIZE)
    await elsewhere.create(data, SIZE)
    assert await elsewhere.exists(data)
    await write(elsewhere.disk(data), 0x5A, 0, MIB)
    reads = AsyncExitStack()
    for call in (
        elsewhere.grow(data, 2 * SIZE),
        elsewhere.copy_from(data, serving.disk(data), SIZE),
        reads.enter_async_context(elsewhere.origin(data)),
    ):
        with pytest.raises(StepError, match="only who serves it"):
            await call
    await elsewhere.delete(data)
    await holds(serving.disk(data), 0x5A, 0, MIB)


async def test_what_a_guest_discards_is_given_back(server, serving, tmp_path):
    data = at(server)
    await serving.create(data, 16 * MIB)
    await write(serving.disk(data), 0x11, 0, 16 * MIB)
    full = (tmp_path / "v-1.raw").stat().st_blocks * 512
    await qemu_io(serving.disk(data), f"discard 0 {8 * MIB}", discard=True)
    assert full - (tmp_path / "v-1.raw").stat().st_blocks * 512 >= 4 * MIB


async def test_nobody_writes_to_what_is_being_copied(server, serving, tmp_path):
    """Not by logging in, not because its target is made or restored meanwhile; afterwards as before."""
    data = at(server)
    await serving.create(data, SIZE)
    await write(serving.disk(data), 0x5A, 0, MIB)
    async with serving.origin(data) as first, serving.origin(data) as second:
        assert first == second
        await serving.restore()
        for work in (serving.create(data, SIZE), serving.grow(data, 2 * SIZE)):
            with pytest.raises(StepError, match="it is served again once that is done") as busy:
                await work
            assert (busy.value.reason, busy.value.permanent) == ("InUse", False)
        with pytest.raises(RefusedError):
            await write(serving.disk(data), 0x66, 0, MIB)
        await holds(first.disk, 0x5A, 0, MIB)
    await write(serving.disk(data), 0x66, 0, MIB)
    await serving.grow(data, 2 * SIZE)


async def test_what_somebody_may_write_to_is_not_copied(server, serving):
    data = at(server)
    await serving.create(data, SIZE)
    async with held(serving.disk(data)):
        with pytest.raises(StepError, match="somebody is logged in") as busy:
            async with serving.origin(data):
                pass
        assert (busy.value.reason, busy.value.permanent) == ("InUse", False)
        await holds(serving.disk(data), 0, 0, SIZE)
    async with serving.origin(data):
        pass


async def test_a_target_that_was_closed_comes_back_where_the_agent_was_killed(server, serving, tmp_path):
    data = at(server)
    await serving.create(data, SIZE)
    await serving._close(tmp_path / "v-1.json")
    with pytest.raises(RefusedError):
        await holds(serving.disk(data), 0, 0, SIZE)
    await IscsiVolumes("node-1", tmp_path, Tgt(), chap).restore()
    await holds(serving.disk(data), 0, 0, SIZE)


async def test_what_is_put_back_has_a_target_of_its_own(server, serving, tmp_path):
    """So nobody who is late reaches it, and what it replaced is deleted alone."""
    data = at(server)
    where = data.location.model_copy(update={"generation": 1})
    back, kept = replace(data, location=where), replace(data, uid="s-1", kept=True)
    await serving.create(data, SIZE)
    await write(serving.disk(data), 0x11, 0, MIB)
    async with serving.origin(data) as origin:
        await serving.copy_from(kept, origin.disk, SIZE)
    await write(serving.disk(data), 0x22, 0, MIB)
    async with serving.origin(replace(kept, kept=False)) as origin:
        await serving.copy_from(back, origin.disk, 2 * SIZE)
    await holds(serving.disk(data), 0x22, 0, MIB)
    await holds(serving.disk(back), 0x11, 0, MIB)
    for _ in range(2):
        await serving.discard(data)
    with pytest.raises(RefusedError):
        await holds(serving.disk(data), 0x22, 0, MIB)
    await holds(serving.disk(back), 0x11, 0, MIB)
    await server.stop()
    await server.start()
    await serving.restore()
    await holds(serving.disk(back), 0x11, 0, MIB)
    await serving.delete(back)
    assert [path.name for path in tmp_path.iterdir()] == ["s-1.raw"]
    assert NAME not in await Tgt()._run("show")
    await serving.delete(kept)
