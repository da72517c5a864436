"""Shared pools: known only while they are mounted and say who they are; nothing is written anywhere else."""

import asyncio
import os
import subprocess
import threading
from pathlib import Path

import pytest

from orlop_agent.failure import StepError
from orlop_agent.volume import pools as module
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.pools import SharedPools
from orlop_agent.volume.shared import SharedVolumes
from orlop_api.volume_class import SharedLocation, VolumeLocation
from support.disks import MIB, holds, write

pytestmark = [
    pytest.mark.component,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a pool"),
]
UID = "7e7e7e7e-0000-4000-8000-00000000000a"
DATA = VolumeData(UID, VolumeLocation(shared=SharedLocation(pool="nfs-a", pool_id="p-1")))
SIZE = 4 * MIB


class Node:
    """A node's directory of pools; `server` is what it has mounted there."""

    def __init__(self, directory):
        self.directory = directory
        self.mounted = set()
        directory.mkdir(parents=True)

    def mount(self, server, name="nfs-a"):
        (self.directory / name).mkdir(exist_ok=True)
        subprocess.run(["mount", "--bind", server, self.directory / name], check=True)
        self.mounted.add(name)

    def unmount(self, name="nfs-a"):
        subprocess.run(["umount", self.directory / name], check=True)
        self.mounted.remove(name)


@pytest.fixture
def server(tmp_path):
    made = tmp_path / "server"
    made.mkdir()
    (made / "pool-id").write_text("p-1\n")
    return made


@pytest.fixture
def nodes(tmp_path):
    made = [Node(tmp_path / name / "shared") for name in ("node-1", "node-2")]
    yield made
    for node in made:
        for name in list(node.mounted):
            node.unmount(name)


async def refusal(call):
    with pytest.raises(StepError) as error:
        await call
    return error.value.reason, error.value.message


async def test_a_pool_is_one_while_it_is_mounted(server, nodes, tmp_path):
    node, pools = nodes[0], SharedPools(nodes[0].directory)
    (node.directory / "nfs-a").mkdir()
    (node.directory / "nfs-a/pool-id").write_text("p-1")
    assert not await pools.look()
    assert pools.found == {}
    node.mount(server)
    assert await pools.look()
    assert not await pools.look()
    assert pools.found == {"nfs-a": "p-1"}
    nameless = tmp_path / "nameless"
    nameless.mkdir()
    node.mount(nameless, "nfs-b")
    assert not await pools.look()
    node.unmount()
    assert await pools.look()
    assert pools.found == {}


@pytest.mark.parametrize("said", ["", "../../etc", "a b", "x" * 65, "\x00", "p-1\nmore"])
async def test_a_pool_says_who_it_is_in_one_word(said, server, nodes):
    (server / "pool-id").write_text(said)
    nodes[0].mount(server)
    pools = SharedPools(nodes[0].directory)
    await pools.look()
    assert pools.found == {}


async def test_nothing_is_written_beside_the_pool(server, nodes, tmp_path):
    node = nodes[0]
    driver = SharedVolumes(SharedPools(node.directory))
    (node.directory / "nfs-a").mkdir()
    for call in (driver.create(DATA, SIZE), driver.exists(DATA), driver.delete(DATA)):
        assert await refusal(call) == ("PoolMissing", "shared pool nfs-a is not mounted on this node")
    assert list((node.directory / "nfs-a").iterdir()) == []
    other = tmp_path / "other"
    other.mkdir()
    (other / "pool-id").write_text("p-2")
    node.mount(other)
    assert await refusal(driver.create(DATA, SIZE)) == (
        "PoolChanged",
        "shared pool nfs-a of this node is another one than the data is in",
    )
    assert [path.name for path in other.iterdir()] == ["pool-id"]


async def test_data_is_the_same_on_every_node(server, nodes):
    drivers = [SharedVolumes(SharedPools(node.directory)) for node in nodes]
    for node in nodes:
        node.mount(server)
    await drivers[0].create(DATA, SIZE)
    await write(drivers[0].disk(DATA), 0x5A, MIB, MIB)
    assert await drivers[1].exists(DATA)
    await drivers[1].create(DATA, SIZE)
    await holds(drivers[1].disk(DATA), 0x5A, MIB, MIB)


async def test_two_nodes_that_make_the_same_make_one(server, nodes):
    drivers = [SharedVolumes(SharedPools(node.directory)) for node in nodes]
    for node in nodes:
        node.mount(server)
    await asyncio.gather(*(driver.create(DATA, SIZE) for driver in drivers))
    assert [path.name for path in (server / "volumes").iterdir()] == [f"{UID}.qcow2"]


async def test_what_a_broken_making_left_goes_with_the_volume(server, nodes):
    nodes[0].mount(server)
    driver = SharedVolumes(SharedPools(nodes[0].directory))
    await driver.create(DATA, SIZE)
    (server / f"volumes/.{UID}.qcow2.00aa.new").write_bytes(b"half")
    await driver.delete(DATA)
    assert list((server / "volumes").iterdir()) == []


async def test_a_file_that_the_directory_does_not_list_yet_goes_too(server, nodes, monkeypatch):
    """NFS lists what it knew a while ago, and another node has made the file since."""
    nodes[0].mount(server)
    driver = SharedVolumes(SharedPools(nodes[0].directory))
    await driver.create(DATA, SIZE)
    await driver.note(DATA, b"how it was taken")
    monkeypatch.setattr(Path, "glob", lambda *_: iter(()))
    await driver.delete(DATA)
    monkeypatch.undo()
    assert list((server / "volumes").iterdir()) == []


async def test_a_server_that_is_away_holds_nobody_up(server, nodes, monkeypatch):
    nodes[0].mount(server)
    pools = SharedPools(nodes[0].directory)
    await pools.look()
    back = threading.Event()

    asked = []

    def hang(directory):
        asked.append(directory)
        back.wait(10)
        return "p-1"

    monkeypatch.setattr(module, "PATIENCE", 0.05)
    monkeypatch.setattr(module, "_pool_id", hang)
    assert await pools.look()
    assert pools.found == {}
    for _ in range(3):
        await pools.look()
    assert len(asked) == 1, "one thread waits, not one for each look"
    assert (await refusal(SharedVolumes(pools).exists(DATA)))[0] == "PoolMissing"
    back.set()
    monkeypatch.setattr(module, "PATIENCE", 5)
    async with asyncio.timeout(5):
        while not await pools.look():
            await asyncio.sleep(0.01)
    assert pools.found == {"nfs-a": "p-1"}
