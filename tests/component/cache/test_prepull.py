"""Nodes that have an Image before an Instance needs it, and an Image that follows its source; with real agents."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from support import wishes
from support.apiserver import ApiServer
from support.prepared import Tenant, tenant
from support.scripted import ORLOP, Api, Body
from support.smallpool import raw_disk
from support.twonodes import Source, two_nodes

pytestmark = pytest.mark.component
ONE, TWO = raw_disk(2 << 20, 1), raw_disk(2 << 20, 2)
LONG_AGO = "2020-01-01T00:00:00Z"


def digest(disk: bytes) -> str:
    return f"sha256:{hashlib.sha256(disk).hexdigest()}"


async def joined(user: Api) -> None:
    for name in ("node-1", "node-2"):
        await user.until(
            f"{ORLOP}/hypervisors",
            name,
            lambda t: bool(
                t and t["spec"].get("certificate") and t["status"].get("imagePeer", {}).get("port")
            ),
        )
        await user.until(f"{ORLOP}/hypervisors", name, wishes.is_ready)


async def label(user: Api, node: str, **labels: str | None) -> None:
    await user.call("PATCH", f"/api/v1/nodes/{node}", {"metadata": {"labels": labels}})


async def pulled(it: Tenant, name: str, **status: object) -> Body:
    def there(image: Body | None) -> bool:
        said = (image or {}).get("status", {}).get("prePull", {})
        return all(said.get(key) == value for key, value in status.items())

    found = await it.api.until(it.path("images"), name, there)
    assert found is not None
    return found


async def test_a_selected_node_fetches_early_and_keeps_it(
    cloud: ApiServer, operator: object, user: Api, source: Source, tmp_path: Path
) -> None:
    source.disks["/one.raw"] = ONE
    it = await tenant(user, "prepull", image=False, network=False)
    wish = wishes.image("prepull", "early", url=source.url("/one.raw"))
    wish["spec"] |= {"checksum": digest(ONE), "prePull": {"nodeSelector": {"disk": "fast"}}}
    async with two_nodes(cloud, source, tmp_path, cacheCapacity="1Mi") as nodes:
        await joined(user)
        await it.make("images", wish)
        ready = await it.ready("early", "images")
        said = "no hypervisor has the labels of spec.prePull.nodeSelector"
        await pulled(it, "early", selected=0, present=0, message=said)
        importer = "node-1" if (nodes["node-1"][0].layout.images / digest(ONE)[7:]).exists() else "node-2"
        other = "node-2" if importer == "node-1" else "node-1"
        kept = nodes[other][0].layout.images / digest(ONE)[7:]
        assert not kept.exists()
        await label(user, other, disk="fast")
        done = await pulled(it, "early", selected=1, present=1, message="")
        assert kept.read_bytes() == ONE
        assert source.log == ["/one.raw"], "a peer gave it"
        assert done["metadata"]["generation"] == ready["metadata"]["generation"]
        store = nodes[other][1]._inventory._images
        assert await store.tidy() == 0, "it is more than the cache may hold, and stays"
        assert kept.exists()
        # Another wish of prePull is no other Image.
        await it.change("early", "images", prePull={"nodeSelector": {"disk": None, "zone": "b"}})
        await pulled(it, "early", selected=0)
        assert wishes.is_ready(await it.api.call("GET", it.path("images") + "/early"))
        await user.until(f"{ORLOP}/hypervisors", other, lambda t: not t["spec"].get("prePulls"))
        async with asyncio.timeout(10):
            while kept.exists():
                await store.tidy()
                await asyncio.sleep(0.1)
        await it.change("early", "images", prePull={"nodeSelector": {"zone": None}})
        await pulled(it, "early", selected=2, present=2)
        await it.delete("early", "images")
        for name in nodes:
            await user.until(f"{ORLOP}/hypervisors", name, lambda t: not t["spec"].get("prePulls"))
        await label(user, other, disk=None)


async def test_an_image_follows_its_source_and_instances_do_not(
    cloud: ApiServer,
    operator: object,
    user: Api,
    source: Source,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "ca.pem").write_bytes(source.certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    source.disks["/moving.raw"] = ONE
    it = await tenant(user, "refresh", image=False, network=False)
    async with two_nodes(cloud, source, tmp_path) as nodes:
        await joined(user)
        wish = wishes.image("refresh", "tiny", url=source.https("/moving.raw"))
        wish["spec"]["refresh"] = {"interval": "24h"}
        await it.make("images", wish)
        first = await it.ready("tiny", "images")
        assert [past["digest"] for past in first["status"]["history"]] == [digest(ONE)]
        before = await it.boot("before", networks=[])
        assert before["status"]["image"]["digest"] == digest(ONE)

        source.disks["/moving.raw"] = TWO
        await look_again(it, first)
        second = await refreshed(it, "True")
        assert second["status"]["digest"] == digest(TWO)
        assert [past["digest"] for past in second["status"]["history"]] == [digest(TWO), digest(ONE)]
        assert wishes.is_ready(second)
        after = await it.boot("after", networks=[])
        assert after["status"]["image"]["digest"] == digest(TWO)
        await it.change("before", powerState="Stopped")
        await it.ready("before")
        await it.change("before", powerState="Running")
        again = await it.ready("before")
        assert again["status"]["image"]["digest"] == digest(ONE)

        source.disks["/moving.raw"] = b"<html>gone</html>".ljust(512)
        await look_again(it, second)
        third = await refreshed(it, "False")
        assert third["status"]["digest"] == digest(TWO)
        assert wishes.is_ready(third)
        said = wishes.condition(third, "Refreshed")
        assert said["message"].endswith("; the Image stays as it is")
        for name in nodes:
            await user.until(f"{ORLOP}/hypervisors", name, lambda t: not t["spec"].get("imports"))
        await asyncio.gather(it.delete("before"), it.delete("after"))


async def look_again(it: Tenant, image: Body) -> None:
    """As if the interval were over."""
    past = {"attemptedAt": LONG_AGO, "succeededAt": LONG_AGO}
    path = f"{it.path('images')}/{image['metadata']['name']}"
    await it.api.call("PATCH", f"{path}/status", {"status": {"refresh": past}})
    # A time in the status is no news to the operator: the spec is.
    await it.change(image["metadata"]["name"], "images", refresh={"interval": "23h"})


async def refreshed(it: Tenant, status: str) -> Body:
    def there(image: Body | None) -> bool:
        at = (image or {}).get("status", {}).get("refresh", {}).get("attemptedAt", LONG_AGO)
        return at != LONG_AGO and wishes.condition(image, "Refreshed").get("status") == status

    found = await it.api.until(it.path("images"), "tiny", there)
    assert found is not None
    return found
