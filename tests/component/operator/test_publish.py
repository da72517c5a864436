"""Images of Volumes and root disks: ordered where those are, kept there, and waited for by who is deleted."""

import pytest

from support import wishes
from support.answers import PUBLISHED
from support.prepared import Tenant, tenant
from support.scripted import ORLOP, Api, Body, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]
HYPERVISORS = f"{ORLOP}/hypervisors"


def image(namespace: str, name: str, **source: Body) -> Body:
    return wishes.asked_for(wishes.thing("Image", namespace, name, {"source": source}, finalizer=False))


async def ordered(it: Tenant, node: str, what: str, uid: str, *, there: bool) -> Body | None:
    """Wait until the node has, or has not, such an order about the Image; the order."""

    def found(host: Body | None) -> Body | None:
        orders = (host or {})["spec"].get(what, [])
        return next((order for order in orders if order["imageUID"] == uid), None)

    host = await it.api.until(HYPERVISORS, node, lambda host: (found(host) is not None) is there)
    return found(host)


async def test_a_stopped_instance_is_published_where_it_is(user: Api, agents: Agents) -> None:
    it = await tenant(user, "pub")
    golden = await it.make("images", image("pub", "golden", instanceRef={"name": "web"}))
    assert await it.because("golden", "InstanceNotFound", "images") == "Instance pub/web does not exist"
    web = await it.boot("web")
    node, uid = web["status"]["nodeName"], golden["metadata"]["uid"]
    assert await it.because("golden", "InstanceRunning", "images") == (
        "Instance pub/web is not stopped: set its spec.powerState to Stopped"
    )
    agents[node].imports[PUBLISHED] = {"state": "Pulling"}
    await it.change("web", powerState="Stopped")
    assert await it.because("golden", "Importing", "images") == f"{node} makes it of Instance pub/web"

    await it.change("web", powerState="Running")
    await it.because("golden", "InstanceRunning", "images")
    await ordered(it, node, "imports", uid, there=False)
    await it.change("web", powerState="Stopped")
    order = await ordered(it, node, "imports", uid, there=True)
    assert order is not None
    assert order["origin"] == {"instanceUID": web["metadata"]["uid"]}
    await it.api.call("DELETE", f"{it.path('instances')}/web")
    waits = await it.because("web", "InUse", kind="Scheduled")
    assert waits == "being deleted; waits until Image pub/golden has its root disk, or is deleted"

    del agents[node].imports[PUBLISHED]
    await agents[node].report(imports=[])  # an agent that starts anew
    ready = await it.ready("golden", "images")
    assert ready["status"]["nodeName"] == node
    assert wishes.condition(ready, "Ready")["message"] == "made of Instance pub/web, and pinned"
    await it.api.until(it.path("instances"), "web", lambda thing: thing is None)
    kept = await ordered(it, node, "prePulls", uid, there=True)
    assert kept is not None
    assert kept["image"]["source"] == {"published": {"nodeName": node}}

    await it.make("instances", wishes.instance("pub", "copy", boot={"imageRef": {"name": "golden"}}))
    assert await it.because("copy", "Unschedulable") == (
        "0/2 hypervisors: 2 without the image, which no node gives now (PeersDisabled)"
    )
    await agents[node].report(images=[ready["status"]["digest"]])
    copy = await it.ready("copy")
    assert copy["status"]["nodeName"] == node
    told = (await it.assignment(copy["metadata"]["uid"]))["spec"]["image"]
    assert told["source"] == {"published": {"nodeName": node}}
    await it.delete("copy")
    await it.delete("golden", "images")
    await ordered(it, node, "prePulls", uid, there=False)


async def test_a_volume_is_published_and_waits_with_its_end(user: Api, agents: Agents) -> None:
    it = await tenant(user, "pubvol")
    await it.make("volumes", wishes.volume("pubvol", "data"))
    moment = await it.make("images", image("pubvol", "moment", volumeRef={"name": "data"}))
    assert await it.because("moment", "VolumeNotReady", "images") == "Volume pubvol/data has no data yet"
    for scripted in agents.values():
        scripted.imports[PUBLISHED] = {"state": "Pulling"}
    web = await it.boot("web", volumes=[{"name": "data", "volumeRef": {"name": "data"}}])
    node = web["status"]["nodeName"]
    assert await it.because("moment", "Importing", "images") == f"{node} makes it of Volume pubvol/data"
    await it.delete("web")
    await it.api.call("DELETE", f"{it.path('volumes')}/data")
    assert await it.because("data", "InUse", "volumes") == (
        "being deleted; waits until Image pubvol/moment has copied it"
    )
    for scripted in agents.values():
        del scripted.imports[PUBLISHED]
    await agents[node].report(imports=[])
    await it.ready("moment", "images")
    await it.api.until(it.path("volumes"), "data", lambda thing: thing is None)
    await it.delete("moment", "images")
    await ordered(it, node, "prePulls", moment["metadata"]["uid"], there=False)
