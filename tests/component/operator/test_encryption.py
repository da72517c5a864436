"""Encrypted Volumes: their passphrase is where their node reads it, nowhere else, and no longer than it is needed."""

import asyncio
import base64
from collections.abc import Callable

import pytest

from orlop_api.hypervisor import node_namespace
from support import wishes
from support.prepared import Tenant, tenant
from support.scripted import ORLOP, Api, Body, RefusedError, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]
SEALED = {"encryption": {"secretRef": {"name": "keys", "key": "disk"}}}


def mount(*names: str) -> list[Body]:
    return [{"name": name, "volumeRef": {"name": name}} for name in names]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def node_secret(user: Api, path: str, good: Callable[[Body | None], bool]) -> None:
    """Until a node's Secret (None: there is none) is as it shall be; nobody may watch those."""
    async with asyncio.timeout(40):
        while True:
            try:
                found: Body | None = (await user.call("GET", path))["data"]
            except RefusedError as error:
                if error.status != 404:
                    raise
                found = None
            if good(found):
                return
            await asyncio.sleep(0.1)


async def sealed(user: Api, namespace: str, *names: str, held: str | None = "a-canary") -> Tenant:
    it = await tenant(user, namespace)
    if held is not None:
        await keys(it, held)
    for name in names:
        await it.make("volumes", wishes.volume(namespace, name, **SEALED))
    return it


async def keys(it: Tenant, passphrase: str) -> None:
    body = {"metadata": {"name": "keys"}, "data": {"disk": encoded(passphrase)}}
    await it.api.call("POST", f"/api/v1/namespaces/{it.namespace}/secrets", body)


async def test_a_passphrase_is_where_its_node_reads_it_alone(user: Api, agents: Agents) -> None:
    it = await sealed(user, "sealed", "data")
    web = await it.boot("web", volumes=mount("data"))
    node = web["status"]["nodeName"]
    order = await it.assignment(web["metadata"]["uid"])
    volume = await it.ready("data", "volumes")
    uid = volume["metadata"]["uid"]
    where = {"namespace": node_namespace(node), "name": web["metadata"]["uid"], "keys": [f"luks-{uid}"]}
    assert order["spec"]["secret"] == where
    assert order["spec"]["volumes"][0]["location"]["encryption"] == "LUKS"
    assert volume["status"]["location"]["encryption"] == "LUKS"
    secret = f"/api/v1/namespaces/{where['namespace']}/secrets/{where['name']}"
    assert (await user.call("GET", secret))["data"] == {f"luks-{uid}": encoded("a-canary")}

    await it.make("volumesnapshots", wishes.snapshot("sealed", "then"))
    taken = await it.ready("then", "volumesnapshots")
    assert taken["status"]["location"]["encryption"] == "LUKS"
    order_secret = f"/api/v1/namespaces/{where['namespace']}/secrets/volume-{taken['metadata']['uid']}"
    await node_secret(user, order_secret, lambda data: data is None)
    for kind in ("assignments", "hypervisors", "volumes", "volumesnapshots", "instances"):
        assert "a-canary" not in str(await user.call("GET", f"{ORLOP}/{kind}"))
        assert encoded("a-canary") not in str(await user.call("GET", f"{ORLOP}/{kind}"))

    await it.delete("web")
    await node_secret(user, secret, lambda data: data is None)
    await it.change("data", "volumes", size="2Gi")
    await it.api.until(
        it.path("volumes"), "data", lambda t: (t or {}).get("status", {}).get("capacityBytes") == 2 << 30
    )
    await node_secret(
        user, f"/api/v1/namespaces/{where['namespace']}/secrets/volume-{uid}", lambda data: data is None
    )


async def test_a_node_that_cannot_open_it_gets_what_the_secret_holds_now(user: Api, agents: Agents) -> None:
    it = await sealed(user, "wrong", "data")
    for agent in agents.values():
        agent.locked.add("web")
    try:
        await it.make("instances", wishes.instance("wrong", "web", volumes=mount("data")))
        assert await it.because("web", "KeyWrong", kind="VolumesReady") == "the passphrase does not open it"
        web = await it.api.call("GET", f"{it.path('instances')}/web")
        where = node_namespace(web["status"]["nodeName"])
        secret = f"/api/v1/namespaces/{where}/secrets/{web['metadata']['uid']}"
        changed = {"data": {"disk": encoded("the right one")}}
        await user.call("PATCH", "/api/v1/namespaces/wrong/secrets/keys", changed)
        given = [encoded("the right one")]
        await node_secret(user, secret, lambda data: data is not None and list(data.values()) == given)
    finally:
        for agent in agents.values():
            agent.locked.discard("web")
    await it.delete("web")


async def test_a_secret_that_is_missing_is_named_at_start_and_at_attach(user: Api, agents: Agents) -> None:
    it = await sealed(user, "nokey", "data", held=None)
    await it.boot("runs")
    await it.change("runs", volumes=mount("data"))
    missing = "Secret nokey/keys does not exist"
    assert await it.because("runs", "SecretNotFound", kind="VolumesReady") == missing
    await keys(it, "a-canary")
    await it.ready("runs")
    await it.delete("runs")
    await user.call("DELETE", "/api/v1/namespaces/nokey/secrets/keys")
    await it.make("instances", wishes.instance("nokey", "new", volumes=mount("data")))
    assert await it.because("new", "SecretNotFound") == missing
    await keys(it, "a-canary")
    await it.ready("new")
    await it.delete("new")


async def test_a_copy_of_what_is_encrypted_is_encrypted(user: Api, agents: Agents) -> None:
    it = await sealed(user, "origin", "data")
    await it.boot("web", volumes=mount("data"))
    await it.ready("data", "volumes")
    source = {"source": {"volumeRef": {"name": "data"}}}
    await it.make("volumes", wishes.volume("origin", "plain", **source))
    await it.make("instances", wishes.instance("origin", "not", volumes=mount("plain")))
    assert await it.because("not", "NotEncrypted") == (
        "Volume origin/data is encrypted, and Volume origin/plain, which begins as it, is not: create one whose "
        "spec.encryption names a Secret with the same passphrase"
    )
    await it.delete("not")
    await it.make("volumes", wishes.volume("origin", "clone", **SEALED, **source))
    await it.boot("has", volumes=mount("clone"))
    for name in ("web", "has"):
        await it.delete(name)
