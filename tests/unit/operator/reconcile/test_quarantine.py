"""Addresses that were freed: kept from others for a while, but from nobody who would wait for them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from orlop_api.claim import Claim, address_claim, mac_claim
from orlop_api.condition import Condition
from orlop_api.network import Network
from orlop_api.resource import Metadata
from orlop_operator.kinds import ASSIGNMENT, CLAIM, INSTANCE, NETWORK, PORT
from orlop_operator.reconcile.addresses import TAKEN_AGAIN, identify
from orlop_operator.reconcile.effects import Create, Delete, DropFinalizer, InOrder, Patch, Plan, created
from orlop_operator.reconcile.holding import Holder, Identity, Taken
from orlop_operator.reconcile.instance.facts import Blocker
from orlop_operator.reconcile.network import NetworkFacts, plan_network
from orlop_operator.reconcile.port import PortFacts, plan_port
from orlop_operator.reconcile.quarantine import given_back, plan_freed
from orlop_operator.store import Key, Store
from orlop_operator.wakes import wakes

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
UID = "n-1"


def network(**subnet):
    return Network.model_validate(
        {
            "metadata": {"namespace": "demo", "name": "blue", "uid": UID, "resourceVersion": "7"},
            "spec": {"subnets": [{"name": "v4", "cidr": "10.10.0.0/29", **subnet}]},
            "status": {"segmentID": 4097},
        }
    )


def claim(last, until=None, kind="Address", holder="i-1"):
    value = f"10.10.0.{last}" if kind == "Address" else last
    spec = {
        "type": kind,
        "value": value,
        "networkUID": UID,
        "holder": {"kind": "Port", "namespace": "demo", "name": f"{holder}-eth0", "uid": holder},
    }
    if until is not None:
        spec["quarantinedUntil"] = until
    name = address_claim(UID, value) if kind == "Address" else mac_claim(UID, value)
    return Claim.model_validate(
        {
            "metadata": {
                "namespace": "orlop-system",
                "name": name,
                "uid": f"c-{last}",
                "resourceVersion": "9",
            },
            "spec": spec,
        }
    )


def ask(claims, address=None, who="i-9", picked=(), **subnet):
    return identify(
        network(**subnet),
        Holder("demo", f"{who}-eth0", who),
        Taken({c.metadata.name: c for c in claims}, picked),
        address=address,
        mac=None,
    )


def test_an_address_that_is_given_back_stays_claimed_and_says_until_when():
    held = claim(2)
    assert given_back([held], {UID: network(reuseAfter="90s")}, NOW) == (
        Patch(CLAIM, held, {"spec": {"quarantinedUntil": "2026-11-26T12:01:30Z"}}),
    )


@pytest.mark.parametrize(
    ("held", "networks"),
    [
        (claim(2), {UID: network(reuseAfter="0s")}),
        (claim(2), {}),
        (claim("02:00:00:00:00:2a", kind="MAC"), {UID: network()}),
    ],
    ids=["at once is allowed", "the Network is gone", "a MAC address, which is only ever asked for by name"],
)
def test_the_rest_is_deleted(held, networks):
    assert given_back([held], networks, NOW) == (Delete(CLAIM, held),)


def test_others_come_first():
    found = ask([claim(2, until="2026-11-26T12:01:00Z"), claim(3)])
    assert isinstance(found, Identity)
    assert found.address == "10.10.0.4"
    assert [type(effect) for effect in found.claiming()] == [Create]


def test_who_had_it_has_it_no_more():
    found = ask([claim(2, until="2026-11-26T12:01:00Z", holder="i-9")], who="i-9")
    assert isinstance(found, Identity)
    assert found.address == "10.10.0.3"


def test_who_asks_by_name_has_it_at_once():
    freed = claim(2, until="2026-11-26T12:01:00Z")
    found = ask([freed], address="10.10.0.2")
    assert isinstance(found, Identity)
    (effect,) = found.claiming()
    assert isinstance(effect, InOrder)
    delete, create = effect.effects
    assert delete == Delete(CLAIM, freed, unchanged=True), "of two takers only one deletes what both saw"
    assert create.body["metadata"]["name"] == freed.metadata.name
    assert create.body["spec"]["holder"]["uid"] == "i-9"
    assert [body["spec"]["value"] for body in created(found.claiming(), CLAIM)] == ["10.10.0.2"]


def test_where_no_other_is_left_the_one_freed_first_is_given():
    freed = [claim(2, until="2026-11-26T12:01:00Z"), claim(5, until="2026-11-26T12:00:30Z")]
    held = [claim(3), claim(4), claim(6)]
    found = ask([*freed, *held])
    assert isinstance(found, Identity)
    assert found.address == "10.10.0.5"
    second = ask([*freed, *held], picked=[address_claim(UID, "10.10.0.5")])
    assert isinstance(second, Identity)
    assert second.address == "10.10.0.2", "the other is just being taken"
    none = ask([*freed, *held], picked=[c.metadata.name for c in freed])
    assert none == Blocker("NoFreeAddress", "Network demo/blue has no free address (5 are held)")


def test_outside_the_pools_nothing_is_given_without_asking():
    found = ask(
        [claim(2), claim(5, until="2026-11-26T12:00:30Z")], pools=[{"start": "10.10.0.2", "end": "10.10.0.2"}]
    )
    assert isinstance(found, Blocker)
    assert found.reason == "NoFreeAddress"


def test_a_network_that_goes_gives_up_many_claims_bit_by_bit():
    freed = [claim(n, until="2026-11-27T12:00:00Z") for n in range(100)]
    meta = {
        "namespace": "demo",
        "name": "blue",
        "uid": UID,
        "deletionTimestamp": "2026-11-26T12:00:00Z",
        "finalizers": ["orlop.dev/operator"],
    }
    going = network().model_copy(update={"metadata": Metadata.model_validate(meta)})
    gone = 0
    while not isinstance(
        (plan := plan_network(NetworkFacts(going, NOW, freed=freed))).effects[0], DropFinalizer
    ):
        assert {type(effect) for effect in plan.effects} == {Delete}
        assert len(plan.effects) <= 32
        assert (plan.again_after is not None) is plan.final is (len(freed) > len(plan.effects))
        gone += len(plan.effects)
        freed = freed[len(plan.effects) :]
    assert gone == 100


def test_a_claim_goes_when_its_time_is_over():
    freed = claim(2, until="2026-11-26T12:00:30Z")
    assert plan_freed(freed, NOW, network_is_known=True) == Plan(again_after=30.0)
    over = Plan((Delete(CLAIM, freed, unchanged=True),))
    assert plan_freed(freed, NOW + timedelta(seconds=30), network_is_known=True) == over
    assert plan_freed(freed, NOW, network_is_known=False) == over, "nobody can ask for it any more"


def woken_by(*steps):
    """Keys woken by the last of several observations of one Claim."""
    woken = []

    def listen(change):
        woken.append(set(wakes(change, store)))

    store = Store(listen)
    store.observe(NETWORK, network())
    for name in ("waits", "runs"):
        body = {
            "metadata": {"namespace": "demo", "name": name, "uid": f"i-{name}", "resourceVersion": "3"},
            "spec": {
                "flavorName": "small",
                "boot": {"imageRef": {"name": "tiny"}},
                "networks": [{"name": "eth0", "networkRef": {"name": "blue"}}],
            },
        }
        store.observe(INSTANCE, INSTANCE.parse(body))
    order = {
        "metadata": {
            "namespace": "orlop-assignments",
            "name": "i-runs",
            "uid": "a-1",
            "resourceVersion": "4",
        },
        "spec": {
            "instance": {"namespace": "demo", "name": "runs", "uid": "i-runs"},
            "nodeName": "node-1",
            "vcpus": 1,
            "memoryBytes": 1,
            "rootDiskBytes": 1,
        },
    }
    store.observe(ASSIGNMENT, ASSIGNMENT.parse(order))
    version = 10
    for step in steps:
        version += 1
        if step is None:
            store.remove(CLAIM, "orlop-system", f"{UID}-10.10.0.2", "c-2")
        else:
            seen = step.model_copy(
                update={"metadata": step.metadata.model_copy(update={"resource_version": str(version)})}
            )
            store.observe(CLAIM, seen)
    return woken[-1], store


WAITS = Key("Instance", "demo", "waits")
ITSELF = Key("Claim", "orlop-system", f"{UID}-10.10.0.2")
FREED = claim(2, until="2026-11-26T12:01:00Z")


def test_those_who_wait_hear_of_an_address_when_it_is_given_back_and_no_others():
    assert woken_by(claim(2))[0] == set()
    woken, store = woken_by(claim(2), FREED)
    assert woken == {WAITS, ITSELF}
    assert store.claims_of_holder("i-1") == {}, "nobody holds it"
    assert set(store.claims_of_network(UID)) == {ITSELF.name}


def test_the_end_of_quarantine_is_no_news_but_to_a_network_that_goes():
    assert woken_by(claim(2), FREED, None)[0] == {Key("Network", "demo", "blue")}
    assert woken_by(claim(2), None)[0] == {Key("Network", "demo", "blue"), WAITS}


@pytest.mark.parametrize("wish", [{}, {"address": "10.10.0.2"}], ids=["any", "by name"])
def test_who_waits_looks_again_by_itself_also_where_it_has_said_so_already(wish):
    """Another may have been about to take what was given back, and failed to: of that there is no event."""
    ready = {"type": "Ready", "status": "True", "reason": "Claimed", "message": "",
             "lastTransitionTime": "2026-11-26T11:00:00Z"}  # fmt: skip
    net = network(pools=[{"start": "10.10.0.2", "end": "10.10.0.2"}])
    net.status.conditions.append(Condition.model_validate(ready))
    body = {
        "metadata": {"namespace": "demo", "name": "late", "uid": "i-9", "finalizers": ["orlop.dev/operator"]},
        "spec": {"networkRef": {"name": "blue"}, **wish},
    }
    held = claim(2)
    facts = PortFacts(PORT.parse(body), NOW, net, {held.metadata.name: held})
    plan = plan_port(facts)
    (said,) = plan.effects
    assert isinstance(said, Patch)
    assert plan.again_after == TAKEN_AGAIN
    facts = replace(facts, port=PORT.parse(body | said.change))
    assert plan_port(facts) == Plan(again_after=TAKEN_AGAIN)
    assert all(isinstance(each, InOrder | Create) for each in plan_port(replace(facts, claims={})).effects)
