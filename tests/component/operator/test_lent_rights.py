"""Rights that are used through an Image or a Volume: those of whoever made it, asked again before each use."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from orlop_api.requester import Requester
from support import wishes
from support.apiserver import ApiServer
from support.prepared import Tenant, tenant
from support.rest import Rest, User
from support.rights import RBAC, Right, bind, grant, wait_for
from support.scripted import Api, ScriptedAgent, api

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]
ERIN = Requester("erin", "", ("system:authenticated",))
LOGIN = Right("get", "secrets", "login", group="")
URL = "https://images.example/lent.qcow2"
DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
async def erin(cloud: ApiServer) -> AsyncIterator[Api]:
    async with api(cloud, User("erin")) as client:
        yield client


def take_away(admin: Rest, namespace: str, right: Right) -> None:
    """Whatever gave erin this right."""
    path = f"{RBAC}/namespaces/{namespace}/rolebindings"
    for binding in admin.request("GET", path).body["items"]:
        if binding["roleRef"]["name"].startswith(f"{right.verb}-{right.resource}-"):
            admin.request("DELETE", f"{path}/{binding['metadata']['name']}")
    wait_for(admin, "erin", right, namespace, allowed=False)


async def until_said(it: Tenant, status: str) -> str:
    """The message of the Image's Authorized, once it has this status. No event tells of a role, so it is nudged."""
    for n in range(60):
        body = {"metadata": {"labels": {"nudge": str(n)}}}
        image = await it.api.call("PATCH", f"{it.path('images')}/tiny", body)
        said = wishes.condition(image, "Authorized")
        if said.get("status") == status:
            return str(said["message"])
        await asyncio.sleep(0.5)
    raise AssertionError(f"Authorized is not {status}")


async def test_who_may_not_read_a_secret_any_more_has_it_sent_nowhere(
    user: Api, erin: Api, admin: Rest, agents: Agents
) -> None:
    it = await tenant(user, "lent", image=False)
    bind(admin, "lent", "orlop-editor", "erin", Right("create", "images"))
    grant(admin, "lent", "erin", LOGIN)
    login = {"metadata": {"name": "login"}, "stringData": {"username": "me", "password": "a-canary"}}
    await user.call("POST", "/api/v1/namespaces/lent/secrets", login)
    image = wishes.asked_for(wishes.image("lent", url=URL), ERIN)
    image["spec"]["source"]["http"]["credentialsSecretRef"] = {"name": "login"}
    await erin.call("POST", it.path("images"), image)
    await it.ready("tiny", "images")
    await until_said(it, "True")
    with_login = await it.boot("early")
    order = (await it.assignment(with_login["metadata"]["uid"]))["spec"]
    assert order["secret"]["keys"] == ["image-username", "image-password", "image-token"]

    take_away(admin, "lent", LOGIN)
    assert await until_said(it, "False") == (
        "erin may not get secrets lent/login, and made Image lent/tiny: no node is given that any more;"
        " nodes that have the Image keep it, and others get it from those"
    )
    await it.make("instances", wishes.instance("lent", "nowhere"))
    assert await it.because("nowhere", "Forbidden", kind="ImageReady") == (
        "erin may not get secrets lent/login, and made Image lent/tiny: no node is given that any more,"
        " and none that is Ready has it already"
    )
    await agents["node-1"].report(images=[DIGEST])
    booted = await it.ready("nowhere")
    assert "secret" not in (await it.assignment(booted["metadata"]["uid"]))["spec"]
    await it.change("tiny", "images", refresh={"interval": "1h"})
    assert "the Image stays as it is" in await it.because("tiny", "Forbidden", "images", kind="Refreshed")
    assert (await it.ready("tiny", "images"))["status"]["digest"] == DIGEST

    grant(admin, "lent", "erin", LOGIN)
    await until_said(it, "True")
    for name in ("early", "nowhere"):
        await it.delete(name)


async def test_a_volume_begins_by_the_right_of_who_made_it_as_what_was_meant(
    user: Api, erin: Api, admin: Rest, agents: Agents
) -> None:
    it = await tenant(user, "lentdata")
    bind(admin, "lentdata", "orlop-editor", "erin", Right("create", "volumes"))
    golden = await tenant(user, "golden", network=False)
    use = Right("use", "images")
    grant(admin, "golden", "erin", use)
    source = {"imageRef": {"name": "tiny", "namespace": "golden"}}
    for name in ("lost", "meant"):
        made = wishes.asked_for(wishes.volume("lentdata", name, source=source), ERIN)
        await erin.call("POST", it.path("volumes"), made)
        volume = await user.until(it.path("volumes"), name, lambda v: "originUID" in v.get("status", {}))
        image = await user.call("GET", f"{golden.path('images')}/tiny")
        assert volume["status"]["originUID"] == image["metadata"]["uid"]

    take_away(admin, "golden", use)
    lists = [{"name": "lost", "volumeRef": {"name": "lost"}}]
    await it.make("instances", wishes.instance("lentdata", "one", volumes=lists))
    said = await it.because("one", "Forbidden", kind="VolumesReady")
    assert said == "erin may not use images golden/tiny, and made Volume lentdata/lost"
    grant(admin, "golden", "erin", use)
    await it.ready("one")

    await golden.delete("tiny", "images")
    await golden.make("images", wishes.image("golden"))
    await golden.ready("tiny", "images")
    await it.because("meant", "SourceReplaced", "volumes")
    lists = [{"name": "meant", "volumeRef": {"name": "meant"}}]
    await it.make("instances", wishes.instance("lentdata", "two", volumes=lists))
    assert await it.because("two", "SourceReplaced", kind="VolumesReady") == (
        "what Volume lentdata/meant was to begin as is gone, and another object has its name:"
        " create the Volume anew to have that"
    )
    for name in ("one", "two"):
        await it.delete(name)
