"""A node whose data pool is full: who waits is told why, who runs does not notice."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from orlop_api.config import ImageConfig, OrlopConfig
from support.scripted import ORLOP, Api, Body
from support.simnode import SimNode, Story
from support.smallpool import raw_disk, small_pool

pytestmark = pytest.mark.component
MIB = 1 << 20
DISK = raw_disk(9 * MIB, 1)


@pytest.fixture
async def source() -> AsyncIterator[TestServer]:
    async def disk(_: web.Request) -> web.Response:
        return web.Response(body=DISK)

    app = web.Application()
    app.router.add_get("/disk", disk)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


async def test_it_waits_for_room_and_others_run_on(
    operator: Api, node: SimNode, source: TestServer, tmp_path: Path
):
    digest = f"sha256:{hashlib.sha256(DISK).hexdigest()}"
    image = {
        "source": {"http": {"url": str(source.make_url("/disk"))}},
        "digest": digest,
        "checksum": digest,
        "format": "raw",
        "virtualSizeBytes": len(DISK),
    }
    with small_pool(tmp_path / "pool", "16m") as pool:
        full = SimNode(
            node.name,
            pool,
            node.kubeconfig,
            OrlopConfig(images=ImageConfig(allowed_private_hosts=[f"127.0.0.1:{source.port}"])),
        )
        hypervisor = {"apiVersion": "orlop.dev/v1alpha1", "kind": "Hypervisor"}
        await operator.call(
            "POST", f"{ORLOP}/hypervisors", {**hypervisor, "metadata": {"name": node.name}, "spec": {}}
        )
        running, waiting = Story(operator, full), Story(operator, full, image=image)
        async with full.agent() as agent:
            await running.bind()
            await running.until("Running")
            ballast = full.layout.data / "ballast"
            ballast.write_bytes(bytes(8 * MIB))
            await waiting.bind()
            status = await waiting.until("Failed", reason="DiskFull")
            assert "9Mi of images are still to come" in status["message"]
            (ready,) = [c for c in status["conditions"] if c["type"] == "ImageReady"]
            assert (ready["status"], ready["reason"], ready["message"]) == (
                "False",
                "DiskFull",
                status["message"],
            )
            assert digest.removeprefix("sha256:") not in {p.name for p in full.layout.images.iterdir()}
            assert full.hypervisor.domains.keys() == {running.uid}
            ballast.unlink()
            agent.wake(waiting.uid)
            await waiting.until("Running")
            assert full.hypervisor.domains.keys() == {running.uid, waiting.uid}

            def told(seen: Body | None) -> bool:
                return digest in ((seen or {}).get("status") or {}).get("images", [])

            said = await operator.until(f"{ORLOP}/hypervisors", node.name, told)
            assert said is not None
            cache = said["status"]["imageCache"]
            assert cache["files"] == 2
            assert cache["usedBytes"] == 9 * MIB + 4096
            assert 0 < cache["capacityBytes"] <= 4 * MIB


async def test_what_an_assignment_names_is_in_use_until_it_is_gone(operator: Api, node: SimNode):
    story = Story(operator, node, image=node.image | {"kernel": kernel(node)})
    wanted = {node.image["digest"], kernel(node)["digest"]}
    async with node.agent() as agent:
        await story.bind()
        await story.until("Running")
        assert agent.images_in_use() is None, "what it is ordered to keep is not known either"
        hypervisor = {"apiVersion": "orlop.dev/v1alpha1", "kind": "Hypervisor", "spec": {}}
        await operator.call("POST", f"{ORLOP}/hypervisors", {**hypervisor, "metadata": {"name": node.name}})
        async with asyncio.timeout(10):
            while agent.images_in_use() != wanted:
                await asyncio.sleep(0.02)
        await story.change(desired="Stopped")
        await story.until("Stopped")
        assert agent.images_in_use() == wanted
    async with node.agent() as agent:
        assert agent.images_in_use() is None, "before all is listed nobody may say"
        async with asyncio.timeout(10):
            while agent.images_in_use() != wanted:
                await asyncio.sleep(0.02)
        await story.change(desired="Purged")
        await story.until("Released")
        assert agent.images_in_use() == set()


def kernel(node: SimNode) -> Body:
    """A kernel that is in the cache already."""
    content = b"kernel"
    digest = hashlib.sha256(content).hexdigest()
    (node.layout.images / f"boot-{digest}").write_bytes(content)
    return {"source": node.image["source"], "digest": f"sha256:{digest}"}
