"""Driver iscsi beyond the contract: who may log in, what a restart of tgtd leaves, what another node does."""

import pytest

from orlop_agent.failure import StepError
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.iscsi import IscsiVolumes
from orlop_agent.volume.tgt import Tgt
from orlop_api.volume_class import IscsiLocation, TgtTargets, VolumeLocation
from support.disks import MIB, RefusedError, holds, qemu_io, write
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
    for call in (elsewhere.grow(data, 2 * SIZE), elsewhere.copy_from(data, serving.disk(data), SIZE)):
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
