"""Which Networks a Router joins, and what it says of those that it does not."""

from datetime import UTC, datetime

import pytest

from orlop_api.claim import Claim, ClaimType, router_claim
from orlop_api.hypervisor import Hypervisor
from orlop_api.network import Network
from orlop_api.router import Router
from orlop_operator.kinds import CLAIM, HYPERVISOR, NETWORK, ROUTER
from orlop_operator.reconcile.effects import Create, Delete, DropFinalizer, InOrder, Plan, Report
from orlop_operator.reconcile.gather_router import look_at_router
from orlop_operator.reconcile.holding import Holder, claim_body
from orlop_operator.reconcile.network import NetworkFacts, plan_network
from orlop_operator.store import Change, Key, Store
from orlop_operator.wakes import wakes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FINALIZER = "orlop.dev/operator"
GONE = "2026-01-01T00:00:00Z"


def network(name: str, cidr: str, segment: int, *, second: str | None = None, **meta: object) -> Network:
    ready = {"type": "Ready", "status": "True", "reason": "Allocated", "message": "", "observedGeneration": 1,
             "lastTransitionTime": GONE}  # fmt: skip
    return Network.model_validate(
        {
            "metadata": {
                "name": name,
                "namespace": "demo",
                "uid": f"uid-{name}",
                "resourceVersion": "1",
                **meta,
            },
            "spec": {"subnets": [{"name": f"s{len(each)}", "cidr": each} for each in (cidr, second) if each]},
            "status": {"segmentID": segment, "mtu": 1450, "conditions": [ready]},
        }
    )


def router(
    *names: str, routes: tuple[tuple[str, str], ...] = (), name: str = "vpc", **meta: object
) -> Router:
    meta = {"name": name, "namespace": "demo", "uid": f"uid-{name}", "generation": 1, "resourceVersion": "1",
            "finalizers": [FINALIZER], **meta}  # fmt: skip
    static = [{"destination": where, "via": via} for where, via in routes]
    spec = {"networks": [{"name": each} for each in names], "routes": static}
    return Router.model_validate({"metadata": meta, "spec": spec})


def claim(network_name: str, holder: str = "vpc") -> Claim:
    uid = f"uid-{network_name}"
    body = claim_body(router_claim(uid), ClaimType.ROUTER, uid, uid, Holder("demo", holder, f"uid-{holder}"))
    body["metadata"] |= {"uid": f"claim-{uid}", "resourceVersion": "1"}
    return Claim.model_validate(body)


BLUE, GREEN = network("blue", "10.10.0.0/24", 4097), network("green", "10.20.0.0/24", 4098)


def looked(thing: Router, *around: Network | Claim) -> Plan:
    store = Store()
    store.observe(ROUTER, thing)
    for each in around:
        if isinstance(each, Network):
            store.observe(NETWORK, each)
        else:
            store.observe(CLAIM, each)
    made = look_at_router(store, Key("Router", "demo", "vpc"), NOW)
    assert made is not None
    return made


def said(plan: Plan) -> dict:
    (effect,) = plan.effects
    if isinstance(effect, InOrder):
        effect = effect.effects[0]
    assert isinstance(effect, Report)
    return effect.status


def test_it_claims_before_it_joins():
    plan = looked(router("blue", "green"), BLUE, GREEN)
    assert [type(each) for each in plan.effects] == [Create, Create]
    assert {each.body["metadata"]["name"] for each in plan.effects} == {"router-uid-blue", "router-uid-green"}
    status = said(looked(router("blue", "green"), BLUE, GREEN, claim("blue"), claim("green")))
    assert [(each["name"], each["segmentID"], each["gateway"]) for each in status["networks"]] == [
        ("blue", 4097, "10.10.0.1"),
        ("green", 4098, "10.20.0.1"),
    ]
    (ready,) = status["conditions"]
    assert (ready["status"], ready["reason"]) == ("True", "Joined")


def test_second_subnets_are_told_and_are_apart_too():
    blue = network("blue", "10.10.0.0/24", 4097, second="fd00:10::/64")
    mixed = said(looked(router("blue", "green"), blue, GREEN, claim("blue"), claim("green")))["networks"]
    assert mixed[0]["ipv6"] == {"cidr": "fd00:10::/64", "gateway": "fd00:10::1"}
    assert "ipv6" not in mixed[1]
    green = network("green", "10.20.0.0/24", 4098, second="fd00:10::8000:0:0:0/96")
    status = said(looked(router("blue", "green"), blue, green, claim("blue"), claim("green")))
    assert [each["name"] for each in status["networks"]] == ["blue"]
    assert status["conditions"][0]["reason"] == "SubnetsOverlap"
    assert status["conditions"][0]["message"] == (
        "subnets of Network blue (fd00:10::/64) and Network green (fd00:10::8000:0:0:0/96) overlap:"
        " a Router joins Networks whose subnets are apart"
    )


def host(name: str, *unrouted: tuple[str, str]) -> Hypervisor:
    """A node that says this of Routers, by uid."""
    told = [
        {"routerUID": uid, "namespace": "demo", "reason": "NetworkSetupFailed", "message": message}
        for uid, message in unrouted
    ]
    meta = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1"}
    return Hypervisor.model_validate({"metadata": meta, "status": {"unrouted": told}})


def test_nodes_that_cannot_have_it_are_named():
    store = Store()
    for kind, thing in (
        (ROUTER, router("blue")), (NETWORK, BLUE), (CLAIM, claim("blue")),
        (HYPERVISOR, host("n3", ("uid-vpc", "later"))), (HYPERVISOR, host("n1")),
        (HYPERVISOR, host("n2", ("uid-other", "of another"), ("uid-vpc", "no room"))),
    ):  # fmt: skip
        store.observe(kind, thing)
    plan = look_at_router(store, Key("Router", "demo", "vpc"), NOW)
    assert plan is not None
    ready, routing = said(plan)["conditions"]
    assert (ready["type"], ready["status"]) == ("Ready", "True")
    assert {name: routing[name] for name in ("type", "status", "reason", "message")} == {
        "type": "Routing",
        "status": "False",
        "reason": "NetworkSetupFailed",
        "message": "on node n2: no room (1 other nodes fail too)",
    }


def test_a_router_is_looked_at_when_a_node_says_something_else_of_it():
    store = Store()
    store.observe(ROUTER, router("blue"))
    vpc = Key("Router", "demo", "vpc")
    before, after = host("n1"), host("n1", ("uid-vpc", "no room"))
    assert vpc in set(wakes(Change("Hypervisor", before, after), store))
    assert vpc in set(wakes(Change("Hypervisor", after, None), store))
    assert vpc not in set(wakes(Change("Hypervisor", after, after), store))


@pytest.mark.parametrize(
    ("around", "reason", "message"),
    [
        ((), "NetworkNotFound", "Network demo/green does not exist"),
        (
            (GREEN, claim("green", "other")),
            "NetworkInUse",
            "Network demo/green is joined by Router demo/other: a Network is in one Router",
        ),
        (
            (network("green", "10.10.0.128/25", 4098),),
            "SubnetsOverlap",
            (
                "subnets of Network blue (10.10.0.0/24) and Network green (10.10.0.128/25) overlap:"
                " a Router joins Networks whose subnets are apart"
            ),
        ),
        (
            (network("green", "10.20.0.0/24", 4098, deletionTimestamp=GONE), claim("green")),
            "NetworkNotReady",
            "Network demo/green is being deleted",
        ),
    ],
)
def test_what_cannot_be_joined_says_why_and_the_others_are(around: tuple, reason: str, message: str):
    status = said(looked(router("blue", "green"), BLUE, claim("blue"), *around))
    assert [each["name"] for each in status["networks"]] == ["blue"]
    ready = status["conditions"][0]
    assert (ready["status"], ready["reason"], ready["message"]) == ("False", reason, message)


def test_what_is_left_is_given_up_after_agents_can_know():
    (effect,) = looked(router("blue"), BLUE, GREEN, claim("blue"), claim("green")).effects
    assert isinstance(effect, InOrder)
    report, given_up = effect.effects
    assert [each["name"] for each in report.status["networks"]] == ["blue"]
    assert given_up == Delete(CLAIM, claim("green"))


@pytest.mark.parametrize(
    ("route", "problem"),
    [
        (("10.0.0.0/8", "10.10.0.5"), "it overlaps Network blue"),
        (("192.168.0.0/16", "10.30.0.5"), "10.30.0.5 is on none of the Networks"),
        (("192.168.0.0/16", "10.10.0.1"), "10.10.0.1 is no Port's address"),
    ],
)
def test_routes_that_lead_nowhere_say_so(route: tuple[str, str], problem: str):
    good = ("192.0.2.0/24", "10.20.0.5")
    status = said(
        looked(router("blue", "green", routes=(route, good)), BLUE, GREEN, claim("blue"), claim("green"))
    )
    assert status["routes"] == [{"destination": "192.0.2.0/24", "via": "10.20.0.5"}]
    ready = status["conditions"][0]
    assert ready["reason"] == "RouteInvalid"
    assert problem in ready["message"]


def test_the_end():
    ending = router("blue", deletionTimestamp=GONE)
    assert looked(ending, BLUE, claim("blue")).effects == (Delete(CLAIM, claim("blue")),)
    assert looked(ending, BLUE).effects == (DropFinalizer(ROUTER, ending),)


def test_a_network_goes_after_its_router_let_go():
    ending = network("blue", "10.10.0.0/24", 4097, deletionTimestamp=GONE, finalizers=[FINALIZER])
    plan = plan_network(NetworkFacts(ending, NOW, router="vpc"))
    assert said(plan)["conditions"][0]["message"] == "being deleted; waits for Router vpc"
    assert plan_network(NetworkFacts(ending, NOW)).effects == (DropFinalizer(NETWORK, ending),)


def test_who_waits_for_a_network_is_woken():
    store = Store()
    store.observe(NETWORK, BLUE)
    store.observe(ROUTER, router("blue"))
    woken = set(wakes(Change("Claim", claim("blue", "other"), None), store))
    assert Key("Router", "demo", "vpc") in woken
    assert Key("Router", "demo", "vpc") in set(wakes(Change("Network", None, BLUE), store))
