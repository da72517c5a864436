"""What an Image's source asks for: where the node that fetches reads it, for as long as it fetches."""

import asyncio

import pytest

from orlop_api.hypervisor import node_namespace
from support import wishes
from support.prepared import tenant
from support.scripted import ORLOP, Api, RefusedError, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]
URL = "https://images.example/private.qcow2"


def private(namespace: str, secret: str) -> dict:
    image = wishes.image(namespace, url=URL)
    image["spec"]["source"]["http"]["credentialsSecretRef"] = {"name": secret}
    return image


async def gone(user: Api, path: str) -> None:
    """Until the API server says that there is no such thing; nobody may watch a node's Secrets."""
    while True:
        try:
            await user.call("GET", path)
        except RefusedError as error:
            if error.status == 404:
                return
            raise
        await asyncio.sleep(0.05)


async def test_a_login_is_where_the_node_reads_it_and_gone_after_the_import(
    user: Api, agents: Agents
) -> None:
    it = await tenant(user, "logins", image=False)
    secret = {
        "metadata": {"name": "login"},
        "stringData": {"username": "me", "password": "a-canary", "more": "x"},
    }
    await user.call("POST", "/api/v1/namespaces/logins/secrets", secret)
    for agent in agents.values():
        agent.imports[URL] = {"state": "Pulling"}
    await it.make("images", private("logins", "login"))
    await it.because("tiny", "Importing", "images")
    hosts = (await user.call("GET", f"{ORLOP}/hypervisors"))["items"]
    host = next(host for host in hosts if host["spec"].get("imports"))
    order = host["spec"]["imports"][0]
    node = host["metadata"]["name"]
    where = {"namespace": node_namespace(node), "name": f"import-{order['imageUID']}"}
    assert order["secret"] == where | {"keys": ["image-username", "image-password", "image-token"]}
    assert "a-canary" not in str(host)
    path = f"/api/v1/namespaces/{where['namespace']}/secrets/{where['name']}"
    assert sorted((await user.call("GET", path))["data"]) == ["image-password", "image-username"]
    for agent in agents.values():
        del agent.imports[URL]
    await agents[node].report(agentVersion="another")  # so that it looks again
    await it.ready("tiny", "images")
    await asyncio.wait_for(gone(user, path), 30)
    instance = await it.boot("web")
    assignment = await it.assignment(instance["metadata"]["uid"])
    assert assignment["spec"]["secret"]["keys"] == ["image-username", "image-password", "image-token"]
    assert "a-canary" not in str(assignment)


async def test_a_secret_that_is_missing_is_named(user: Api, agents: Agents) -> None:
    it = await tenant(user, "nologins", image=False)
    await it.make("images", private("nologins", "nowhere"))
    message = await it.because("tiny", "SecretNotFound", "images")
    assert message == "Secret nologins/nowhere does not exist"


async def test_a_node_that_is_no_hypervisor_any_more_keeps_no_secret(user: Api, agents: Agents) -> None:
    node = {"metadata": {"name": "node-3", "labels": {"orlop.dev/hypervisor": "true"}}}
    await user.call("POST", "/api/v1/nodes", node)
    await user.until(f"{ORLOP}/hypervisors", "node-3", lambda host: host is not None)
    secrets = f"/api/v1/namespaces/{node_namespace('node-3')}/secrets"
    others = f"/api/v1/namespaces/{node_namespace('node-1')}/secrets"
    for path in (secrets, others):
        for name in ("import-1", "an-instance"):
            await user.call(
                "POST", path, {"metadata": {"name": name}, "stringData": {"password": "a-canary"}}
            )
    await user.call("PATCH", "/api/v1/nodes/node-3", {"metadata": {"labels": {"orlop.dev/hypervisor": None}}})
    await user.until(f"{ORLOP}/hypervisors", "node-3", lambda host: host is None)
    assert (await user.call("GET", secrets))["items"] == []
    assert len((await user.call("GET", others))["items"]) >= 2
    await user.call("PATCH", "/api/v1/nodes/node-3", node)
    await user.until(f"{ORLOP}/hypervisors", "node-3", lambda host: host is not None)
    await user.call("DELETE", "/api/v1/nodes/node-3")
    await user.until(f"{ORLOP}/hypervisors", "node-3", lambda host: host is None)
    for name in ("import-1", "an-instance"):
        await user.call("DELETE", f"{others}/{name}")
