"""What is kept as bytes is what was seen, and which objects those are changes no answer of the store."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orlop_api.network import Subnet
from orlop_operator.claims import held_by, resting
from orlop_operator.kinds import ASSIGNMENT, CLAIM, INSTANCE, NETWORK, PORT, Kind
from orlop_operator.placements import Placements
from orlop_operator.reconcile.addresses import address_for
from orlop_operator.reconcile.gather import Context, port_facts
from orlop_operator.reconcile.holding import Holder, Taken
from orlop_operator.reconcile.port import plan_port
from orlop_operator.reviews import Reviews
from orlop_operator.rows import Index, Row
from orlop_operator.store import Change, Key, Store
from orlop_operator.wakes import wakes

KINDS: tuple[Kind[Any], ...] = (INSTANCE, ASSIGNMENT, PORT, CLAIM)
SUBNET = {"name": "a", "cidr": "10.0.0.0/28"}
NUMBERS, FLAGS = st.integers(0, 3), st.booleans()


def meta(namespace: str, name: str, uid: str, version: int, **more: Any) -> dict[str, Any]:
    return {"namespace": namespace, "name": name, "uid": uid, "resourceVersion": str(version), **more}


def instance(n: int, version: int, flag: bool, number: int) -> dict[str, Any]:
    nics = [{"name": f"eth{k}", "networkRef": {"name": "net"}} for k in range(number)]
    body: dict[str, Any] = {
        "metadata": meta("demo", f"web-{n}", f"uid-{n}", version, labels={"app": f"ä-{number}"}),
        "spec": {"flavorName": "small", "boot": {"imageRef": {"name": "tiny"}}, "networks": nics},
    }
    if flag:
        ready = {"type": "Ready", "status": "True", "reason": "Running", "message": f"on node-{number}"}
        body["status"] = {"nodeName": f"node-{number}", "conditions": [ready]}
    return body


def assignment(n: int, version: int, flag: bool, number: int) -> dict[str, Any]:
    spec = {"instance": {"namespace": "demo", "name": f"web-{n}", "uid": f"uid-{n}"}}
    spec |= {"vcpus": 1, "memoryBytes": 1 << 30, "rootDiskBytes": number}  # type: ignore[dict-item]
    if flag:
        spec |= {"nodeName": f"node-{number}", "epoch": 1}  # type: ignore[dict-item]
    return {"metadata": meta("orlop-assignments", f"uid-{n}", f"order-{n}", version), "spec": spec}


def port(n: int, version: int, flag: bool, number: int) -> dict[str, Any]:
    owner = {"kind": "Instance", "name": f"web-{n}", "uid": f"uid-{n}", "controller": True}
    more: dict[str, Any] = {"ownerReferences": [owner]} if flag else {}
    if number == 3:
        more["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    status = {"addresses": ["10.0.0.9"]} if number == 2 else {}
    body = {"metadata": meta("demo", f"web-{n}-eth0", f"port-{n}", version, **more), "status": status}
    return {**body, "spec": {"networkRef": {"name": "net"}}}


def claim(n: int, version: int, flag: bool, number: int) -> dict[str, Any]:
    holder = {"kind": "Port", "namespace": "demo", "name": f"web-{n}-eth0", "uid": f"uid-{number}"}
    spec: dict[str, Any] = {"type": "Address", "value": f"10.0.0.{n}", "networkUID": "net", "holder": holder}
    if flag:
        spec["quarantinedUntil"] = "2026-01-01T00:00:00Z"
    return {"metadata": meta("orlop-system", f"net-10.0.0.{n}", f"claim-{n}", version), "spec": spec}


MAKERS = {"Instance": instance, "Assignment": assignment, "Port": port, "Claim": claim}
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), NUMBERS, FLAGS, NUMBERS, st.integers(0, 5)), max_size=40)
Steps = list[tuple[Kind[Any], int, bool, int, int]]


class Watched:
    """A store and all that it told and woke."""

    def __init__(self, warm: int) -> None:
        self.heard: list[tuple[Change, frozenset[Key]]] = []
        self.store = Store(self._listen, warm=warm)
        network = meta("demo", "net", "net", 1)
        self.store.observe(
            NETWORK,
            NETWORK.parse({"metadata": network, "spec": {"subnets": [SUBNET]}}),
        )

    def _listen(self, change: Change) -> None:
        self.heard.append((change, frozenset(wakes(change, self.store))))

    def take(self, steps: Steps) -> Watched:
        for at, (kind, n, flag, number, what) in enumerate(steps, 2):
            thing = kind.parse(MAKERS[kind.name](n, at, flag, number))
            if what:
                self.store.observe(kind, thing)
            else:
                self.store.remove(kind, thing.metadata.namespace, thing.metadata.name, thing.metadata.uid)
        return self

    def answers(self) -> list[object]:
        store, uids = self.store, [f"uid-{n}" for n in range(4)]
        claims = store.claims_of_network("net")
        net = Key("Network", "demo", "net")
        return [
            [sorted(map(repr, store.all(kind))) for kind in KINDS],
            [sorted(map(repr, store.within(kind, "demo"))) for kind in KINDS],
            sorted(store.everything()),
            sorted(store.dependents(net)),
            sorted(store.lacking(net)),
            dict(claims),
            resting(claims),
            [sorted(map(repr, held_by(claims, uid))) for uid in uids],
            [store.claims_of_holder(uid) for uid in uids],
            [store.assignments_on(f"node-{n}") for n in range(4)],
            [(store.assignment_of(uid), store.ports_of(uid), store.by_uid(uid)) for uid in uids],
        ]


@settings(deadline=None)
@given(STEPS, st.integers(0, 3))
def test_a_store_of_bytes_answers_and_tells_as_one_of_models(steps: Steps, warm: int) -> None:
    cold, models = Watched(warm).take(steps), Watched(1000).take(steps)
    assert cold.heard == models.heard
    assert cold.answers() == models.answers()


@settings(deadline=None)
@given(STEPS)
def test_what_is_found_by_an_index_is_what_a_look_at_everything_finds(steps: Steps) -> None:
    store = Watched(1).take(steps).store
    claims = dict(store.claims_of_network("net"))
    assert claims == {c.metadata.name: c for c in store.all(CLAIM)}
    assert {c.metadata.name: c for c in resting(claims).values()} == resting(store.claims_of_network("net"))
    for n in range(4):
        uid = f"uid-{n}"
        assert {c.metadata.name for c in held_by(store.claims_of_network("net"), uid)} == {
            c.metadata.name for c in held_by(claims, uid)
        }
        on = [a for a in store.all(ASSIGNMENT) if a.spec.node_name == f"node-{n}"]
        assert store.count_on(f"node-{n}") == len(on) == len(store.assignments_on(f"node-{n}"))
    wanting = set()
    for each in store.all(INSTANCE):
        order = store.assignment_of(each.metadata.uid)
        if each.spec.networks and (order is None or order.spec.node_name is None):
            wanting.add(("Instance", "demo", each.metadata.name))
    for each in store.all(PORT):
        if each.owner_uid is None and not each.status.addresses:
            wanting.add(("Port", "demo", each.metadata.name))
    assert set(store.lacking(Key("Network", "demo", "net"))) == wanting


@settings(deadline=None)
@given(STEPS)
def test_whoever_is_left_out_of_everything_wants_nothing(steps: Steps) -> None:
    """An Assignment, a Claim that is held and a Port that is not deleted, while their Instance is there."""
    store = Watched(1).take(steps).store
    looked = set(store.everything())

    async def context() -> Context:
        return Context(store, Placements(store), Reviews(lambda: 0.0))

    facts_of = asyncio.run(context())
    left = {Key(k.name, t.metadata.namespace, t.metadata.name) for k in KINDS for t in store.all(k)} - looked
    for key in left:
        match key.kind:
            case "Port":
                facts = port_facts(facts_of, key, user_is_gone=False)
                assert facts is not None
                assert store.by_uid(facts.port.owner_uid or "") is not None, "so its user is not gone"
                made = plan_port(facts)
                assert not made.effects
                assert made.again_after is None
            case "Assignment":
                order = store.get(ASSIGNMENT, key.namespace, key.name)
                assert order is not None
                assert store.by_uid(order.spec.instance.uid) is not None
            case _:
                found = store.get(CLAIM, key.namespace, key.name)
                assert found is not None
                assert found.is_held
                assert store.by_uid(found.spec.holder.uid) is not None


def test_who_is_asked_for_stays_warm() -> None:
    store = Store(warm=2)
    for n in range(4):
        store.observe(INSTANCE, INSTANCE.parse(instance(n, n + 1, False, 1)))
        first = store.get(INSTANCE, "demo", "web-0")
    assert store.get(INSTANCE, "demo", "web-0") is first
    assert store.get(INSTANCE, "demo", "web-1") is not store.get(INSTANCE, "demo", "web-2")


def test_an_index_forgets_what_it_was_told_to() -> None:
    index: Index[str] = Index()
    one, two = Row(Key("Port", "demo", "one")), Row(Key("Port", "demo", "two"))
    for row in (one, one, two):
        index.add("at", row)
    assert index.of("at") == {one, two}
    index.discard("at", one)
    index.discard("elsewhere", one)
    assert index.of("at") == {two}
    index.discard("at", two)
    assert list(index) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_cold_object_is_small(kind: Kind[Any]) -> None:
    store = Store(warm=0)
    for n in range(4):
        store.observe(kind, kind.parse(MAKERS[kind.name](n, n + 1, True, 2)))
    rows = [row for table in store._tables[kind.name].values() for row in table.values()]
    assert all(row.thing is None and len(row.packed or b"") < 200 for row in rows)


@settings(deadline=None)
@given(st.lists(st.tuples(FLAGS, st.integers(2, 14)), max_size=60))
def test_the_next_address_is_the_first_free_one_wherever_the_search_begins(
    steps: list[tuple[bool, int]],
) -> None:
    store, subnet, holder = Store(warm=2), Subnet.model_validate(SUBNET), Holder("demo", "new", "new")
    network = NETWORK.parse({"metadata": meta("demo", "net", "net", 1), "spec": {"subnets": [SUBNET]}})
    for at, (there, n) in enumerate(steps, 2):
        one = CLAIM.parse(claim(n, at, False, 0))
        one = one.model_copy(update={"metadata": one.metadata.model_copy(update={"uid": f"claim-{n}-{at}"})})
        if there:
            store.observe(CLAIM, one)
        elif (known := store.claim(one.metadata.name)) is not None:
            store.remove(CLAIM, "orlop-system", known.metadata.name, known.metadata.uid)
        claims = store.claims_of_network("net")
        found = address_for(network, subnet, holder, Taken(claims, frozenset({"net-10.0.0.3"})), None)
        assert found == address_for(network, subnet, holder, Taken(dict(claims), {"net-10.0.0.3"}), None)
