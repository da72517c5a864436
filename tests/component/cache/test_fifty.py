"""Fifty Instances at once from an image that no node has: what the source has to serve for them."""

import asyncio
import hashlib
import time
from collections import Counter
from pathlib import Path

import pytest

from support import wishes
from support.apiserver import ApiServer
from support.prepared import Tenant, tenant
from support.scripted import ORLOP, Api, Body
from support.smallpool import raw_disk
from support.twonodes import ADDRESSES, Source, two_nodes

pytestmark = pytest.mark.component
MANY = 50
DISK = raw_disk(8 << 20, 1)


def certified(thing: Body | None) -> bool:
    return bool(
        thing and thing["spec"].get("certificate") and thing["status"].get("imagePeer", {}).get("port")
    )


async def boot_all(it: Tenant, url: str) -> list[Body]:
    """The Image and all Instances in one go; they wait for it."""
    image = wishes.image(it.namespace, url=url)
    image["spec"]["checksum"] = f"sha256:{hashlib.sha256(DISK).hexdigest()}"
    flavor = wishes.thing(
        "Flavor", "", "micro", {"vcpus": 1, "memory": "64Mi", "rootDisk": "64Mi"}, finalizer=False
    )
    await it.make("flavors", flavor)
    await asyncio.gather(
        it.make("images", image),
        *(
            it.make("instances", wishes.instance(it.namespace, f"web-{n}", flavorName="micro", networks=[]))
            for n in range(MANY)
        ),
    )
    return await asyncio.gather(*(it.ready(f"web-{n}") for n in range(MANY)))


@pytest.mark.parametrize(("peers", "served"), [("Enabled", 1), ("Disabled", 2)])
async def test_fifty_instances_of_a_new_image_on_two_nodes(
    cloud: ApiServer, operator: object, user: Api, source: Source, tmp_path: Path, peers: str, served: int
) -> None:
    source.disks["/disk.raw"] = DISK
    it = await tenant(user, f"fifty-{peers.lower()}", image=False, network=False)
    async with two_nodes(cloud, source, tmp_path, peers=peers) as nodes:
        for name in nodes:
            reported = certified if peers == "Enabled" else lambda t: bool(t and t["status"].get("poolID"))
            await user.until(f"{ORLOP}/hypervisors", name, reported)
            await user.until(f"{ORLOP}/hypervisors", name, wishes.is_ready)
        begun = time.monotonic()
        ready = await boot_all(it, source.url("/disk.raw"))
        seconds = time.monotonic() - begun
        used = Counter(instance["status"]["nodeName"] for instance in ready)
        print(f"\npeers {peers}: {MANY} Ready in {seconds:.1f} s, {dict(used)}, source log {source.log}")
        assert used.keys() == ADDRESSES.keys()
        assert source.log == ["/disk.raw"] * served
        for node, _ in nodes.values():
            (cached,) = (p for p in node.layout.images.iterdir() if p.stat().st_size == len(DISK))
            assert cached.read_bytes() == DISK
            assert len(node.hypervisor.domains) == used[node.name]
        await asyncio.gather(*(it.delete(f"web-{n}") for n in range(MANY)))
