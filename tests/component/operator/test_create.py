"""From a created Instance to Ready and to nothing left, with scripted agents."""

import asyncio
import time
from collections import Counter

import pytest

from support import wishes
from support.apiserver import ApiServer
from support.prepared import asked, tenant, writes
from support.scripted import Api, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]


async def test_a_create_is_ready_after_nine_writes(user: Api, agents: Agents, cloud: ApiServer) -> None:
    it = await tenant(user, "writes")
    network = await user.call("GET", it.path("networks") + "/blue")
    ready = await it.boot("web")
    status = ready["status"]
    assert status["nodeName"] == "node-1"
    assert status["powerState"] == "Running"
    segment = (await user.call("GET", it.path("networks") + "/blue"))["status"]["segmentID"]
    mac = f"02:{segment >> 16:02x}:{segment >> 8 & 255:02x}:{segment & 255:02x}:00:02"
    assert status["addresses"] == [{"network": "eth0", "ip": "10.10.0.2", "mac": mac}]
    assert status["domain"] == {"uuid": ready["metadata"]["uid"], "type": "qemu"}
    assert [(c["type"], c["status"]) for c in status["conditions"]] == [
        (kind, "True")
        for kind in (
            "Authorized", "QuotaReserved", "Scheduled", "ImageReady", "NetworkReady", "VolumesReady", "Ready",
        )
    ]  # fmt: skip
    port = await user.call("GET", it.path("ports") + "/web-eth0")
    assert port["status"]["binding"] == {
        "instanceName": "web",
        "instanceUID": ready["metadata"]["uid"],
        "nodeName": "node-1",
        "hostAddress": agents["node-1"].address,
    }
    uid = ready["metadata"]["uid"]
    found = [*writes(cloud, "writes", "web", uid), *writes(cloud, "-", "-", network["metadata"]["uid"])]
    what = Counter(call.what for call in found)
    budget = {
        "create assignments": 1, "create claims": 1, "create ports": 1, "patch assignments": 1,
        "patch assignments/status": 2, "patch instances/status": 2, "patch ports/status": 1,
    }  # fmt: skip
    # An operator that is slower than the node has nothing to say before the guest runs.
    assert what | Counter({"patch instances/status": 2}) == budget, what


async def test_delete_leaves_nothing(user: Api, agents: Agents) -> None:
    it = await tenant(user, "gone")
    await it.make("volumes", wishes.volume("gone"))
    volume = {"name": "data", "volumeRef": {"name": "data"}}
    ready = await it.boot("web", volumes=[volume], userData={"inline": "#!/bin/sh\n"})
    uid = ready["metadata"]["uid"]
    assert len(await it.left_of(uid)) == 4, "an Assignment, a Port, a Claim and a Secret"
    data = await user.call("GET", it.path("volumes") + "/data")
    assert [held["instanceUID"] for held in data["status"]["attachments"]] == [uid]
    await it.delete("web")
    assert await it.left_of(uid) == []
    assert uid not in agents["node-1"].running
    data = await user.call("GET", it.path("volumes") + "/data")
    assert not data["status"]["attachments"]
    assert wishes.condition(data, "Ready")["reason"] == "Created", "the data outlives the Instance"


async def test_stop_start_and_restart(user: Api, agents: Agents) -> None:
    it = await tenant(user, "power")
    ready = await it.boot("web")
    uid = ready["metadata"]["uid"]
    await it.change("web", powerState="Stopped")
    stopped = await it.ready("web")
    assert stopped["status"]["powerState"] == "Stopped"
    assert wishes.condition(stopped, "Ready")["reason"] == "Stopped"
    assert uid not in agents["node-1"].running
    await it.change("web", powerState="Running")
    assert (await it.ready("web"))["status"]["powerState"] == "Running"
    await it.change("web", restartedAt="2026-11-24T00:00:00Z")
    assert (await it.ready("web"))["status"]["restartedAt"] == "2026-11-24T00:00:00Z"
    order = await it.assignment(uid)
    assert order["spec"]["epoch"] == 1, "stopped or not, it keeps its place"


async def test_created_stopped_it_gets_no_node_until_it_shall_run(user: Api, agents: Agents) -> None:
    it = await tenant(user, "later")
    stopped = await it.boot("web", powerState="Stopped")
    assert wishes.condition(stopped, "Ready")["reason"] == "Stopped"
    assert wishes.condition(stopped, "Scheduled")["reason"] == "Stopped"
    assert "nodeName" not in stopped["status"]
    await it.change("web", powerState="Running")
    assert (await it.ready("web"))["status"]["nodeName"] == "node-1"


async def test_what_is_missing_is_named_and_waited_for(user: Api, agents: Agents) -> None:
    it = await tenant(user, "waits", image=False, network=False)
    await it.make("instances", wishes.instance("waits", "web", flavorName="odd"))
    message = await it.because("web", "FlavorNotFound", kind="Scheduled")
    assert message == "Flavor odd does not exist"
    assert await it.because("web", "ImageNotFound") == "Image waits/tiny does not exist"
    assert (
        await it.because("web", "NetworkNotFound", kind="NetworkReady") == "Network waits/blue does not exist"
    )
    await it.make("flavors", wishes.flavor("odd"))
    await it.make("networks", wishes.network("waits"))
    await it.make("images", wishes.image("waits"))
    await it.ready("web")


async def test_a_refusal_leads_to_the_next_node(user: Api, agents: Agents) -> None:
    it = await tenant(user, "refused")
    agents["node-1"].refuses.add("web")
    ready = await it.boot("web")
    assert ready["status"]["nodeName"] == "node-2"
    assert (await it.assignment(ready["metadata"]["uid"]))["spec"]["epoch"] == 2
    agents["node-2"].refuses.add("other")
    agents["node-1"].refuses.add("other")
    await it.make("instances", wishes.instance("refused", "other"))
    message = await it.because("other", "Unschedulable")
    assert message.startswith("0/2 hypervisors: 2 refused (no room after all)")
    # Who waits would take a place on the nodes of later tests.
    await it.delete("other")


async def test_too_large_for_any_node(user: Api, agents: Agents) -> None:
    it = await tenant(user, "large")
    await it.make("flavors", wishes.flavor("huge", memory="64Gi"))
    await it.make("instances", wishes.instance("large", "web", flavorName="huge"))
    message = await it.because("web", "Unschedulable")
    assert message.startswith("0/2 hypervisors: 2 not enough memory (need 64Gi, most free ")
    await it.delete("web")


async def test_ten_at_once_get_addresses_of_their_own(user: Api, agents: Agents) -> None:
    it = await tenant(user, "many")
    made = await asyncio.gather(*(it.boot(f"web-{n}") for n in range(10)))
    addresses = {thing["status"]["addresses"][0]["ip"] for thing in made}
    assert len(addresses) == 10
    await asyncio.gather(*(it.delete(f"web-{n}") for n in range(10)))
    claims = (await user.call("GET", "/apis/orlop.dev/v1alpha1/namespaces/orlop-system/claims"))["items"]
    known = [claim["spec"] for claim in claims if claim["spec"]["holder"]["namespace"] == "many"]
    assert [claim["type"] for claim in known if "quarantinedUntil" not in claim] == ["Segment"]
    assert len(known) == 1 + 10, "each address is kept from others for a while"


async def test_a_restart_that_is_taken_back_asks_for_nothing(user: Api, agents: Agents) -> None:
    """As when GitOps reverts the commit that set restartedAt."""
    it = await tenant(user, "reverts")
    await it.boot("web")
    await it.change("web", restartedAt="once")
    await user.until(it.path("instances"), "web", lambda t: t["status"].get("restartedAt") == "once")
    assert (await it.ready("web"))["status"]["restartedAt"] == "once"
    await it.change("web", restartedAt=None)
    assert wishes.condition(await it.ready("web"), "Ready")["reason"] == "Running"
    await it.delete("web")


async def test_a_delete_is_seven_writes_and_none_is_for_nothing(
    user: Api, agents: Agents, cloud: ApiServer
) -> None:
    """No read, and nothing that is refused or not found: each object has one who ends it."""
    it = await tenant(user, "ends-once")
    network = await user.call("GET", it.path("networks") + "/blue")
    budget = {
        "patch assignments": 1, "patch assignments/status": 1, "delete assignments": 1, "patch ports": 1,
        "delete ports": 1, "patch claims": 1, "patch instances": 1,
    }  # fmt: skip
    for name in ("web", "both"):
        uid = (await it.boot(name))["metadata"]["uid"]
        began = time.time()
        if name == "both":
            # As where the whole namespace is deleted: all at once, in any order.
            await user.call("DELETE", it.path("ports") + "/both-eth0")
            del budget["delete ports"]
        await it.delete(name)
        assert await it.left_of(uid) == []
        found = asked(cloud, "ends-once", name, uid, since=began)
        found += asked(cloud, "-", "-", network["metadata"]["uid"], since=began)
        assert Counter(call.what for call in found) == budget
        assert all(call.code == 200 for call in found), found
