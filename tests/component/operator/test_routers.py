"""Routers from what a user lists to what agents read, with the operator as a process."""

import pytest

from support import wishes
from support.apiserver import ApiServer
from support.prepared import Tenant, tenant
from support.rest import Rest, User
from support.rights import Right, grant
from support.scripted import ORLOP, Api, RefusedError, api

pytestmark = pytest.mark.component
CLAIMS = f"{ORLOP}/namespaces/orlop-system/claims"


def network(namespace: str, name: str, cidr: str) -> wishes.Body:
    return wishes.thing("Network", namespace, name, {"subnets": [{"name": "v4", "cidr": cidr}]})


def router(namespace: str, name: str, *networks: str) -> wishes.Body:
    return wishes.thing("Router", namespace, name, {"networks": [{"name": each} for each in networks]})


async def joined(user: Api, it: Tenant, name: str, *networks: str) -> wishes.Body:
    def told(thing: wishes.Body | None) -> bool:
        listed = (thing or {}).get("status", {}).get("networks", ())
        return [each["name"] for each in listed] == list(networks)

    found = await user.until(it.path("routers"), name, told)
    assert found
    return found


async def test_a_router_joins_waits_and_lets_go(user: Api, operator: object) -> None:
    it = await tenant(user, "routed", image=False, network=False)
    for name, cidr in (("blue", "10.10.0.0/24"), ("green", "10.20.0.0/24"), ("same", "10.10.0.0/25")):
        await it.make("networks", network("routed", name, cidr))
        await it.ready(name, "networks")
    await it.make("routers", router("routed", "one", "blue", "green"))
    found = await it.ready("one", "routers")
    blue = await user.call("GET", f"{it.path('networks')}/blue")
    assert found["status"]["networks"][0] == {
        "name": "blue", "networkUID": blue["metadata"]["uid"], "segmentID": blue["status"]["segmentID"],
        "cidr": "10.10.0.0/24", "gateway": "10.10.0.1", "mtu": blue["status"]["mtu"],
    }  # fmt: skip

    await it.make("routers", router("routed", "two", "green", "same"))
    message = await it.because("two", "NetworkInUse", "routers")
    assert message == "Network routed/green is joined by Router routed/one: a Network is in one Router"
    await joined(user, it, "two", "same")
    await it.change("one", "routers", networks=[{"name": "blue"}])
    await joined(user, it, "one", "blue")
    await it.ready("two", "routers")
    await joined(user, it, "two", "green", "same")

    await it.change("one", "routers", networks=[{"name": "blue"}, {"name": "same"}])
    await it.because("one", "NetworkInUse", "routers")
    await it.delete("two", "routers")
    message = await it.because("one", "SubnetsOverlap", "routers")
    assert message.startswith(
        "subnets of Network blue (10.10.0.0/24) and Network same (10.10.0.0/25) overlap"
    )

    # A Network goes without being taken out, and comes again.
    await it.delete("blue", "networks")
    await joined(user, it, "one", "same")
    await it.because("one", "NetworkNotFound", "routers")
    await it.delete("one", "routers")
    for name in ("green", "same"):
        await it.delete(name, "networks")
    uid = blue["metadata"]["uid"]
    left = [claim["metadata"]["name"] for claim in (await user.call("GET", CLAIMS))["items"]]
    assert not [name for name in left if name.startswith("router-") or uid in name]


async def test_who_may_not_use_a_network_joins_it_to_none(
    user: Api, operator: object, admin: Rest, cloud: ApiServer
) -> None:
    it = await tenant(user, "lent-routers", image=False)
    for right in (Right("create", "routers"), Right("patch", "routers")):
        grant(admin, it.namespace, "erin", right)
    async with api(cloud, User("erin")) as erin:
        with pytest.raises(RefusedError, match=r"you may not use networks\.orlop\.dev lent-routers/blue"):
            await erin.call("POST", it.path("routers"), router(it.namespace, "mine", "blue"))
        grant(admin, it.namespace, "erin", Right("use", "networks", "blue"))
        await erin.call("POST", it.path("routers"), router(it.namespace, "mine", "blue"))
        change = {"spec": {"networks": [{"name": "blue"}, {"name": "green"}]}}
        with pytest.raises(RefusedError, match=r"you may not use networks\.orlop\.dev lent-routers/green"):
            await erin.call("PATCH", f"{it.path('routers')}/mine", change)
    await it.delete("mine", "routers")
