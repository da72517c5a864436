"""Images, Networks, Ports, Volumes and Hypervisors by themselves, with scripted agents."""

import asyncio
import base64

import pytest

from orlop_api.hypervisor import node_namespace
from support import wishes
from support.apiserver import ApiServer
from support.prepared import tenant
from support.scripted import ORLOP, Api, RefusedError, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]


async def test_a_wrong_checksum_shows_on_image_and_instance(user: Api, agents: Agents) -> None:
    it = await tenant(user, "checksum", image=False)
    url = "https://images.example/wrong.qcow2"
    failure = {
        "state": "Failed",
        "reason": "ChecksumMismatch",
        "message": "the file is sha256:aa, not sha256:bb",
        "retry": "Useless",
    }
    for agent in agents.values():
        agent.imports[url] = failure
    await it.make("images", wishes.image("checksum", url=url))
    message = await it.because("tiny", "ChecksumMismatch", "images")
    assert message.startswith("the file is sha256:aa, not sha256:bb")
    await it.make("instances", wishes.instance("checksum", "web"))
    message = await it.because("web", "ChecksumMismatch")
    assert message.startswith("Image checksum/tiny is not ready: the file is sha256:aa")
    hosts = (await user.call("GET", f"{ORLOP}/hypervisors"))["items"]
    assert all(not host["spec"].get("imports") for host in hosts), "the order has served"


async def test_a_port_of_ones_own_keeps_its_identity(user: Api, agents: Agents) -> None:
    it = await tenant(user, "ports")
    await it.make("ports", wishes.port("ports", "mine", address="10.10.0.77", macAddress="02:00:00:00:00:2a"))
    await it.ready("mine", "ports")
    nic = {"name": "eth0", "portRef": {"name": "mine"}}
    first = await it.boot("one", networks=[nic])
    assert first["status"]["addresses"] == [
        {"network": "eth0", "ip": "10.10.0.77", "mac": "02:00:00:00:00:2a"}
    ]
    await it.make("instances", wishes.instance("ports", "two", networks=[nic]))
    message = await it.because("two", "PortInUse")
    assert message == "Port ports/mine is bound to Instance ports/one"
    await it.delete("one")
    second = await it.ready("two")
    assert second["status"]["addresses"] == first["status"]["addresses"]
    taken = {"name": "eth0", "networkRef": {"name": "blue"}, "address": "10.10.0.77"}
    await it.make("instances", wishes.instance("ports", "three", networks=[taken]))
    message = await it.because("three", "AddressInUse")
    assert message == "10.10.0.77 of Network ports/blue is held by Port ports/mine"
    await it.delete("two")
    await it.delete("mine", "ports")
    assert (await it.ready("three"))["status"]["addresses"][0]["ip"] == "10.10.0.77"


async def test_a_port_of_ones_own_keeps_both_its_addresses(user: Api, agents: Agents) -> None:
    it = await tenant(user, "ports-six")
    subnets = [{"name": "v4", "cidr": "10.12.0.0/24"}, {"name": "v6", "cidr": "fd00:12::/64"}]
    dual = wishes.network("ports-six", "dual")
    dual["spec"]["subnets"] = subnets
    await it.make("networks", dual)
    wanted = {"ipv6Address": "fd00:12::0:77"}
    await it.make("ports", wishes.port("ports-six", "mine", "dual", address="10.12.0.77", **wanted))
    await it.ready("mine", "ports")
    nic = {"name": "eth0", "portRef": {"name": "mine"}}
    one = await it.boot("one", networks=[nic])
    assert one["status"]["addresses"][0]["ip"] == "10.12.0.77"
    assert one["status"]["addresses"][0]["ipv6"] == "fd00:12::77"
    await it.make("ports", wishes.port("ports-six", "other", "dual", **wanted))
    message = await it.because("other", "AddressInUse", "ports")
    assert message == "fd00:12::77 of Network ports-six/dual is held by Port ports-six/mine"
    await it.delete("one")
    await it.delete("mine", "ports")
    other = await it.ready("other", "ports")
    assert other["status"]["addresses"][1] == "fd00:12::77"


async def test_a_network_goes_after_its_ports(user: Api, agents: Agents) -> None:
    it = await tenant(user, "nets")
    other = await tenant(user, "nets-too")
    await it.boot("web")
    one, two = [(await user.call("GET", t.path("networks") + "/blue"))["status"] for t in (it, other)]
    assert one["segmentID"] != two["segmentID"]
    assert one["mtu"] == 1450
    await user.call("DELETE", it.path("networks") + "/blue")
    assert await it.because("blue", "InUse", "networks") == "being deleted; waits for Port web-eth0"
    await it.delete("web")
    await user.until(it.path("networks"), "blue", lambda thing: thing is None)
    claims = (await user.call("GET", f"{ORLOP}/namespaces/orlop-system/claims"))["items"]
    assert str(one["segmentID"]) not in {claim["spec"]["value"] for claim in claims}


async def test_volume_data_lives_and_dies_with_the_volume(user: Api, agents: Agents) -> None:
    it = await tenant(user, "disks")
    await it.make("volumes", wishes.volume("disks"))
    message = await it.because("data", "WaitForFirstInstance", "volumes")
    assert message == "the data is made with the first Instance"
    mount = {"name": "data", "volumeRef": {"name": "data"}}
    agents["node-1"].refuses.add("one")
    first = await it.boot("one", volumes=[mount])
    assert first["status"]["nodeName"] == "node-2"
    data = await it.ready("data", "volumes")
    uid = data["metadata"]["uid"]
    assert data["status"]["nodeName"] == "node-2"
    assert uid in agents["node-2"].volumes
    await it.make("instances", wishes.instance("disks", "two", volumes=[mount]))
    assert await it.because("two", "VolumeInUse") == "Volume disks/data is attached to Instance disks/one"
    await it.delete("one")
    second = await it.ready("two")
    assert second["status"]["nodeName"] == "node-2", "where the data is"
    order = await it.assignment(second["metadata"]["uid"])
    assert order["spec"]["volumes"][0]["created"] == "Created"
    await user.call("DELETE", it.path("volumes") + "/data")
    message = await it.because("data", "InUse", "volumes")
    assert message == "being deleted; waits until Instance disks/two does not list it any more, or is gone"
    await it.delete("two")
    await user.until(it.path("volumes"), "data", lambda thing: thing is None)
    assert uid not in agents["node-2"].volumes


async def test_a_shared_volume_goes_where_its_pool_is(user: Api, agents: Agents) -> None:
    it = await tenant(user, "shares")
    await user.call("POST", f"{ORLOP}/volumeclasses", wishes.shared_class("nfs-a"))
    await it.make("volumes", wishes.volume("shares") | {"spec": {"size": "1Gi", "className": "nfs-a"}})
    mount = {"name": "data", "volumeRef": {"name": "data"}}
    await it.make("instances", wishes.instance("shares", "one", volumes=[mount]))
    message = await it.because("one", "Unschedulable")
    assert message == "0/2 hypervisors: 2 have no shared pool nfs-a"
    await agents["node-2"].report(sharedPools=[{"name": "nfs-a", "poolID": "p-1"}])
    first = await it.ready("one")
    assert first["status"]["nodeName"] == "node-2"
    data = await it.ready("data", "volumes")
    uid = data["metadata"]["uid"]
    kept = {"pool": "nfs-a", "poolID": "p-1", "format": "qcow2", "preallocation": "Off"}
    assert data["status"]["location"] == {"shared": kept}
    assert "nodeName" not in data["status"], "every node with the pool may have it"
    await it.delete("one")
    await agents["node-2"].report(sharedPools=[{"name": "nfs-a", "poolID": "p-2"}])
    await it.make("instances", wishes.instance("shares", "two", volumes=[mount]))
    message = await it.because("two", "Unschedulable")
    one, other = "1 have no shared pool nfs-a", "1 have another shared pool nfs-a than the data is in"
    assert message == f"0/2 hypervisors: {one}, {other}"
    await agents["node-1"].report(sharedPools=[{"name": "nfs-a", "poolID": "p-1"}])
    second = await it.ready("two")
    assert second["status"]["nodeName"] == "node-1"
    order = await it.assignment(second["metadata"]["uid"])
    assert order["spec"]["volumes"][0]["location"] == {"shared": kept}
    assert order["spec"]["volumes"][0]["created"] == "Created"
    await it.delete("two")
    await agents["node-1"].report(sharedPools=[])
    agents["node-1"].volumes |= {uid}
    await user.call("DELETE", it.path("volumes") + "/data")
    message = await it.because("data", "PoolNotFound", "volumes")
    assert message == "being deleted; no hypervisor that is ready has shared pool nfs-a now"
    await agents["node-1"].report(sharedPools=[{"name": "nfs-a", "poolID": "p-1"}])
    await user.until(it.path("volumes"), "data", lambda thing: thing is None)
    assert uid not in agents["node-1"].volumes


async def test_an_iscsi_volume_is_made_by_the_node_that_serves_it(user: Api, agents: Agents) -> None:
    it = await tenant(user, "targets")
    chap = {"metadata": {"name": "chap"}, "stringData": {"password": "a-chap-secret"}}
    unit = {"host": "192.0.2.8", "account": "orlop", "credentialsSecretRef": {"name": "chap"}}
    spec = {"driver": "iscsi", "iscsi": unit | {"tgt": {"hypervisorName": "node-2"}}}
    await user.call(
        "POST", f"{ORLOP}/volumeclasses", wishes.thing("VolumeClass", "", "san", spec, finalizer=False)
    )
    await it.make("volumes", wishes.volume("targets") | {"spec": {"size": "1Gi", "className": "san"}})
    data = await it.ready("data", "volumes")
    uid = data["metadata"]["uid"]
    where = data["status"]["location"]["iscsi"]
    assert where["target"] == f"iqn.2026-01.dev.orlop:{uid}"
    assert "nodeName" not in data["status"], "any node may log in"
    assert uid in agents["node-2"].volumes
    mount = {"name": "data", "volumeRef": {"name": "data"}}
    agents["node-2"].refuses.add("one")
    await it.make("instances", wishes.instance("targets", "one", volumes=[mount]))
    assert await it.because("one", "SecretNotFound") == "Secret orlop-system/chap does not exist"
    await user.call("POST", "/api/v1/namespaces/orlop-system/secrets", chap)
    first = await it.ready("one")
    assert first["status"]["nodeName"] == "node-1", "not the node that serves it"
    order = await it.assignment(first["metadata"]["uid"])
    namespace = node_namespace("node-1")
    assert order["spec"]["secret"] == {
        "namespace": namespace,
        "name": order["metadata"]["name"],
        "keys": [f"chap-{uid}"],
    }
    assert "a-chap-secret" not in str(order)
    copied = await user.call("GET", f"/api/v1/namespaces/{namespace}/secrets/{order['metadata']['name']}")
    assert base64.b64decode(copied["data"][f"chap-{uid}"]) == b"a-chap-secret"
    two = await it.boot("two")
    patch = {"spec": {"volumes": [mount]}}
    await it.delete("one")
    await user.call("PATCH", it.path("instances") + "/two", patch)
    async with asyncio.timeout(20):
        while (order := await it.assignment(two["metadata"]["uid"]))["spec"].get("volumes", []) == []:
            await asyncio.sleep(0.05)
    assert order["spec"]["secret"]["keys"] == [f"chap-{uid}"], "what opens it is there before it is listed"
    await it.delete("two")
    await user.call("DELETE", it.path("volumes") + "/data")
    await user.until(it.path("volumes"), "data", lambda thing: thing is None)
    assert uid not in agents["node-2"].volumes


async def test_a_ceph_volume_is_any_node_s_and_its_key_goes_where_it_is_needed(
    user: Api, agents: Agents
) -> None:
    it = await tenant(user, "ceph")
    pool = {"monitors": [{"host": "ceph-1"}], "pool": "vms", "user": "orlop"}
    spec = {"driver": "rbd", "rbd": pool | {"credentialsSecretRef": {"name": "ceph-user"}}}
    secrets = "/api/v1/namespaces/orlop-system/secrets"
    await user.call(
        "POST", f"{ORLOP}/volumeclasses", wishes.thing("VolumeClass", "", "ceph", spec, finalizer=False)
    )
    await it.make("volumes", wishes.volume("ceph") | {"spec": {"size": "1Gi", "className": "ceph"}})
    mount = {"name": "data", "volumeRef": {"name": "data"}}
    await it.make("instances", wishes.instance("ceph", "one", volumes=[mount]))
    assert await it.because("one", "SecretNotFound") == "Secret orlop-system/ceph-user does not exist"
    key = {"metadata": {"name": "ceph-user"}, "stringData": {"key": "a-cephx-key"}}
    await user.call("POST", secrets, key)
    first = await it.ready("one")
    order = await it.assignment(first["metadata"]["uid"])
    assert order["spec"]["secret"]["keys"] == ["ceph-ceph-user"]
    where = {"pool": "vms", "imageName": "orlop-{uid}", "user": "orlop", "credentials": "ceph-user"}
    where |= {"monitors": [{"host": "ceph-1", "port": 3300}]}
    assert order["spec"]["volumes"][0]["location"] == {"rbd": where}
    data = await it.ready("data", "volumes")
    uid = data["metadata"]["uid"]
    agents["node-1"].refuses.add("two")
    await it.delete("one")
    await it.make("instances", wishes.instance("ceph", "two", volumes=[mount]))
    assert (await it.ready("two"))["status"]["nodeName"] == "node-2", "the data pins to no node"
    await it.delete("two")
    # What opens the data is on the node that deletes it, also when the class is gone.
    await user.call("DELETE", f"{ORLOP}/volumeclasses/ceph")
    await user.call("DELETE", it.path("volumes") + "/data")
    await user.until(it.path("volumes"), "data", lambda thing: thing is None)
    copied = await user.call("GET", f"/api/v1/namespaces/{node_namespace('node-1')}/secrets/volume-{uid}")
    assert base64.b64decode(copied["data"]["ceph-ceph-user"]) == b"a-cephx-key"
    agents["node-1"].refuses.discard("two")


async def test_user_data_passes_through_the_nodes_secret(user: Api, agents: Agents) -> None:
    it = await tenant(user, "seeds")
    reference = {"secretRef": {"name": "seed", "key": "script"}}
    # The Volume is claimed before the Secret is missed; more than half of the node, so that it must count once.
    await it.make("volumes", wishes.volume("seeds", "data", size="500Gi"))
    mount = {"name": "data", "volumeRef": {"name": "data"}}
    await it.make("instances", wishes.instance("seeds", "web", userData=reference, volumes=[mount]))
    assert await it.because("web", "SecretNotFound") == "Secret seeds/seed does not exist"
    secret = {"metadata": {"name": "seed"}, "stringData": {"script": "#!/bin/sh\n"}}
    await user.call("POST", "/api/v1/namespaces/seeds/secrets", secret)
    ready = await it.ready("web")
    uid = ready["metadata"]["uid"]
    order = await it.assignment(uid)
    namespace = node_namespace(ready["status"]["nodeName"])
    assert order["spec"]["secret"] == {"namespace": namespace, "name": uid, "keys": ["user-data"]}
    copied = await user.call("GET", f"/api/v1/namespaces/{namespace}/secrets/{uid}")
    assert copied["data"] == {"user-data": "IyEvYmluL3NoCg=="}
    await it.delete("web")
    await user.call("DELETE", it.path("volumes") + "/data")
    await user.until(it.path("volumes"), "data", lambda thing: thing is None)


async def test_a_node_gets_all_that_its_agent_needs(user: Api, agents: Agents, cloud: ApiServer) -> None:
    await user.until(
        f"{ORLOP}/hypervisors", "node-1", lambda t: wishes.condition(t, "Ready").get("status") == "True"
    )
    namespace = node_namespace("node-1")
    account = "system:serviceaccount:orlop-nodes:node-1"
    can = cloud.kubectl("auth", "can-i", "get", "secrets", "-n", namespace, f"--as={account}")
    assert can.strip() == "yes"
    with pytest.raises(RefusedError):
        await user.call("GET", "/api/v1/namespaces/orlop-nodes/serviceaccounts/nobody")
