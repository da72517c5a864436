"""A right taken away between apply and placement: the Instance is not placed, says why, and goes on with it back."""

import asyncio

import pytest

from component.operator.test_lent_rights import ERIN, take_away
from orlop_operator.reviews import YES_LASTS
from support import wishes
from support.apiserver import ApiServer
from support.prepared import Tenant, tenant
from support.rest import Rest, User
from support.rights import Right, bind, grant
from support.scripted import ASSIGNMENTS, Api, ScriptedAgent, api

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]
USE = Right("use", "images", "tiny")
NOWHERE = {"nodeSelector": {"zone": "none"}}


async def until_authorized(it: Tenant, name: str, status: str) -> str:
    """No event tells of a role; the operator asks again by itself, within seconds."""
    for _ in range(60):
        thing = await it.api.call("GET", f"{it.path('instances')}/{name}")
        said = wishes.condition(thing, "Authorized")
        if said.get("status") == status:
            return str(said["message"])
        await asyncio.sleep(0.5)
    raise AssertionError(f"Authorized is not {status}")


async def test_between_apply_and_placement(user: Api, admin: Rest, agents: Agents, cloud: ApiServer) -> None:
    it = await tenant(user, "revoked")
    golden = await tenant(user, "revoked-golden", network=False)
    bind(admin, it.namespace, "orlop-editor", "erin", Right("create", "instances"))
    grant(admin, golden.namespace, "erin", USE)
    wish = wishes.instance(it.namespace, "web", placement=NOWHERE)
    wish["spec"]["boot"] = {"imageRef": {"name": "tiny", "namespace": golden.namespace}}
    async with api(cloud, User("erin")) as erin:
        made = await erin.call("POST", it.path("instances"), wishes.asked_for(wish, ERIN))
    await it.because("web", "Unschedulable", kind="Scheduled")
    assert await until_authorized(it, "web", "True") == "erin may use all that the Instance names"

    take_away(admin, golden.namespace, USE)
    # An answer counts for so long, and nothing tells when it is forgotten.
    await asyncio.sleep(YES_LASTS)
    node = {"metadata": {"labels": {"zone": "none"}}}
    await user.call("PATCH", "/api/v1/nodes/node-1", node)
    assert await until_authorized(it, "web", "False") == (
        "erin may not use images revoked-golden/tiny: a RoleBinding in namespace revoked-golden to the ClusterRole"
        " orlop-image-user would allow it"
    )
    uid = made["metadata"]["uid"]
    placed = (await user.call("GET", ASSIGNMENTS))["items"]
    assert uid not in {order["metadata"]["name"] for order in placed if order["spec"].get("nodeName")}

    grant(admin, golden.namespace, "erin", USE)
    await it.ready("web")
    # A guest that runs stays, whatever its requester may not any more.
    take_away(admin, golden.namespace, USE)
    await asyncio.sleep(YES_LASTS)
    await agents["node-1"].report()
    await it.ready("web")
    events = await user.call("GET", f"/apis/events.k8s.io/v1/namespaces/{it.namespace}/events")
    assert "Forbidden" in {event["reason"] for event in events["items"] if event["regarding"]["uid"] == uid}
    await user.call("PATCH", "/api/v1/nodes/node-1", {"metadata": {"labels": {"zone": None}}})
    await it.delete("web")
