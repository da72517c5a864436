"""Services that lead to Instances, as EndpointSlices, with the operator as a process."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from support import wishes
from support.apiserver import ApiServer
from support.prepared import Tenant, tenant
from support.rest import Rest, User
from support.rights import Right, grant
from support.scripted import Api, RefusedError, ScriptedAgent, api

pytestmark = pytest.mark.component
OPERATOR = User("system:serviceaccount:orlop-system:orlop-operator")


@pytest.fixture
def admin(cloud: ApiServer) -> Iterator[Rest]:
    client = Rest(cloud)
    yield client
    client.close()


def service(namespace: str, selects: str | None = "app=web", **spec: Any) -> wishes.Body:
    annotations = {"orlop.dev/instance-selector": selects} if selects else {}
    metadata = {"name": "web", "namespace": namespace, "annotations": annotations}
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports} | spec}


def services(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/services"


def slices(namespace: str) -> str:
    return f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"


def reached(found: wishes.Body | None) -> list[tuple[str, bool]]:
    """Whom a slice leads to by which address, and whether clients are let in."""
    endpoints = (found or {}).get("endpoints") or []
    return sorted((each["addresses"][0], each["conditions"]["ready"]) for each in endpoints)


async def floats(it: Tenant) -> None:
    subnet = {"name": "v4", "cidr": "192.0.2.0/24", "reuseAfter": "0s"}
    subnet["pools"] = [{"start": "192.0.2.64", "end": "192.0.2.66"}]
    spec = {"segment": {"type": "Flat", "physicalNetwork": "public"}, "subnets": [subnet]}
    await it.make("networks", wishes.thing("Network", it.namespace, "public", spec))
    for name in ("a", "b"):
        spec = {"networkRef": {"name": "public"}, "portRef": {"name": f"{name}-eth0"}}
        await it.make("floatingips", wishes.thing("FloatingIP", it.namespace, name, spec))


async def label(it: Tenant, name: str, value: str | None) -> None:
    await it.api.call("PATCH", f"{it.path('instances')}/{name}", {"metadata": {"labels": {"app": value}}})


async def test_a_slice_follows_who_has_the_labels_and_an_address(
    user: Api, agents: dict[str, ScriptedAgent]
) -> None:
    it = await tenant(user, "services")
    await floats(it)
    first = await user.until(
        it.path("floatingips"), "a", lambda t: bool(t and t.get("status", {}).get("address"))
    )
    assert first
    await user.call("POST", services(it.namespace), service(it.namespace))
    # There at once: clients are refused, and do not wait.
    assert reached(await user.until(slices(it.namespace), "web-orlop.dev", lambda t: t is not None)) == []

    made = await it.boot("a")
    await label(it, "a", "web")
    address = first["status"]["address"]
    found = await user.until(slices(it.namespace), "web-orlop.dev", lambda t: bool(reached(t)))
    assert found
    assert reached(found) == [(address, True)]
    [endpoint] = found["endpoints"]
    assert endpoint["nodeName"] == made["status"]["nodeName"]
    assert endpoint["targetRef"]["uid"] == made["metadata"]["uid"]
    assert [(port["name"], port["port"]) for port in found["ports"]] == [("http", 8080)]
    assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "web"

    await it.boot("b")
    await label(it, "b", "web")
    await user.until(slices(it.namespace), "web-orlop.dev", lambda t: len(reached(t)) == 2)
    await label(it, "a", None)
    await user.until(
        slices(it.namespace), "web-orlop.dev", lambda t: [one for one, _ in reached(t)] not in ([], [address])
    )
    await it.delete("b")
    await user.until(slices(it.namespace), "web-orlop.dev", lambda t: reached(t) == [])

    # One that leads to Instances no more lets go of the slice.
    off = {"metadata": {"annotations": {"orlop.dev/instance-selector": None}}}
    await user.call("PATCH", f"{services(it.namespace)}/web", off)
    await user.until(slices(it.namespace), "web-orlop.dev", lambda t: t is None)


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        ("pods", {"selector": {"app": "web"}}, "without spec.selector, which selects pods"),
        ("named", {"ports": [{"port": 80, "targetPort": "http"}]}, "use its number"),
        ("wrong", {}, "is key=value,key=value with each key once, not 'app'"),
    ],
)
async def test_what_cannot_be_is_said_and_leads_nowhere(
    user: Api, operator: object, name: str, changed: wishes.Body, words: str
) -> None:
    it = await tenant(user, f"services-{name}", image=False, network=False)
    asked = service(it.namespace, "app" if name == "wrong" else "app=web", **changed)
    await user.call("POST", services(it.namespace), asked)
    events = f"/api/v1/namespaces/{it.namespace}/events"

    async with asyncio.timeout(30), aclosing(user.watch(events)) as seen:
        async for _, event in seen:
            if event["reason"] == "NoEndpoints" and words in event["message"]:
                break
    listed = (await user.call("GET", slices(it.namespace)))["items"]
    assert not [each for each in listed if each["metadata"]["name"] == "web-orlop.dev"]


async def test_the_operator_writes_its_own_slices_only(
    user: Api, operator: object, admin: Rest, cloud: ApiServer
) -> None:
    it = await tenant(user, "services-fence", image=False, network=False)
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": [],
        "metadata": {"name": "web-abcde", "namespace": it.namespace},
    }  # fmt: skip
    grant(admin, it.namespace, OPERATOR.name, Right("create", "endpointslices", group="discovery.k8s.io"))
    async with api(cloud, OPERATOR) as thief:
        with pytest.raises(RefusedError, match=r"whose name ends in -orlop\.dev, not web-abcde"):
            await thief.call("POST", slices(it.namespace), slice_)
        slice_["metadata"]["name"] = "web-orlop.dev"
        await thief.call("POST", slices(it.namespace), slice_)
