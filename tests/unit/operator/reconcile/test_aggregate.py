"""Which ratios hold for a node, who is woken by what, and what an Aggregate says of itself."""

from datetime import UTC, datetime
from typing import Any

import pytest

from orlop_api.capacity import Ratios
from orlop_api.hypervisor import HYPERVISOR_LABEL
from orlop_operator.aggregate_wakes import of_aggregates
from orlop_operator.kinds import AGGREGATE, HYPERVISOR, NODE, Kind
from orlop_operator.reconcile.aggregate import look_at_aggregate, members, ratios
from orlop_operator.reconcile.effects import Patch
from orlop_operator.reconcile.hypervisor import HypervisorFacts, plan_hypervisor
from orlop_operator.store import Change, Key, Store

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Cloud:
    """A store, and whom its last change woke."""

    def __init__(self) -> None:
        self.woken: set[str] = set()
        self.store = Store(self._changed)
        self._version = 0

    def _changed(self, change: Change) -> None:
        self.woken = {f"{key.kind} {key.name}" for key in of_aggregates(change, self.store)}

    def put(self, kind: Kind[Any], name: str, labels: dict[str, str] | None = None, **rest: Any) -> set[str]:
        self._version += 1
        meta = {"name": name, "uid": f"{kind.name}-{name}", "resourceVersion": str(self._version)}
        self.store.observe(kind, kind.parse({"metadata": {**meta, "labels": labels or {}}, **rest}))
        return self.woken

    def node(self, name: str, labels: dict[str, str], **spec: Any) -> None:
        self.put(NODE, name, labels)
        self.put(HYPERVISOR, name, spec=spec)

    def aggregate(self, name: str, selector: dict[str, str], **overcommit: str) -> set[str]:
        return self.put(AGGREGATE, name, spec={"nodeSelector": selector, "overcommit": overcommit or None})

    def ratios(self, name: str) -> Ratios:
        return ratios(self.store, self.store.get(NODE, "", name), self.store.get(HYPERVISOR, "", name))


@pytest.fixture
def cloud() -> Cloud:
    made = Cloud()
    made.node("n1", {"tier": "gold"})
    made.node("n2", {"tier": "gold", "disk": "ssd"})
    made.node("n3", {})
    return made


def test_the_lowest_of_its_aggregates_holds_for_each_resource(cloud: Cloud) -> None:
    cloud.aggregate("gold", {"tier": "gold"}, vcpus="9.5", memory="1.5")
    cloud.aggregate("fast", {"disk": "ssd"}, vcpus="10", memory="1.25", disk="2")
    cloud.aggregate("all", {}, disk="3")
    assert cloud.ratios("n1") == Ratios(vcpus="9.5", memory="1.5", disk="3")
    assert cloud.ratios("n2") == Ratios(vcpus="9.5", memory="1.25", disk="2")
    assert cloud.ratios("n3") == Ratios(disk="3")


def test_what_is_said_of_the_node_itself_comes_first(cloud: Cloud) -> None:
    cloud.aggregate("gold", {"tier": "gold"}, vcpus="2", memory="1.5")
    cloud.put(HYPERVISOR, "n1", spec={"scheduling": {"overcommit": {"vcpus": "16"}}})
    assert cloud.ratios("n1") == Ratios(vcpus="16", memory="1.5")


def test_only_nodes_that_have_an_interest_are_woken(cloud: Cloud) -> None:
    assert cloud.aggregate("fast", {"disk": "ssd"}) == set(), "it rules nothing yet"
    assert cloud.aggregate("fast", {"disk": "ssd"}, vcpus="2") == {"Hypervisor n2"}
    assert cloud.aggregate("fast", {"tier": "gold"}, vcpus="2") == {"Hypervisor n1", "Hypervisor n2"}
    assert cloud.aggregate("fast", {"tier": "gold"}, vcpus="2") == set(), "only its status was written"
    cloud.store.remove(AGGREGATE, "", "fast", "Aggregate-fast")
    assert cloud.woken == {"Hypervisor n1", "Hypervisor n2"}


def test_aggregates_hear_of_nodes_that_come_in_and_go(cloud: Cloud) -> None:
    cloud.aggregate("gold", {"tier": "gold"})
    cloud.aggregate("fast", {"disk": "ssd"})
    assert cloud.put(NODE, "n1", {"tier": "gold", "other": "1"}) == set()
    assert cloud.put(NODE, "n1", {"disk": "ssd"}) == {"Aggregate gold", "Aggregate fast"}
    cloud.store.remove(HYPERVISOR, "", "n1", "Hypervisor-n1")
    assert cloud.woken == {"Aggregate fast"}
    assert members(cloud.store, {"disk": "ssd"}) == ["n2"]
    assert members(cloud.store, {"disk": "ssd", "tier": "gold"}) == ["n2"]
    assert sorted(members(cloud.store, {})) == ["n2", "n3"]


def test_an_aggregate_says_who_is_in_it(cloud: Cloud) -> None:
    cloud.aggregate("gold", {"tier": "gold"})
    made = look_at_aggregate(cloud.store, Key(AGGREGATE.name, "", "gold"), NOW)
    assert made is not None
    [report] = made.effects
    assert report.status["hypervisorCount"] == 2
    assert report.status["hypervisors"] == ["n1", "n2"]
    [ready] = report.status["conditions"]
    assert (ready["status"], ready["message"]) == ("True", "2 Hypervisors are in it: n1, n2")
    cloud.put(AGGREGATE, "gold", spec={"nodeSelector": {"tier": "gold"}}, status=report.status)
    made = look_at_aggregate(cloud.store, Key(AGGREGATE.name, "", "gold"), NOW)
    assert made is not None
    assert made.effects == ()
    assert look_at_aggregate(cloud.store, Key(AGGREGATE.name, "", "none"), NOW) is None


def test_a_node_is_told_what_holds_and_what_does_no_more(cloud: Cloud) -> None:
    cloud.put(NODE, "n3", {HYPERVISOR_LABEL: "true"})
    host = cloud.store.get(HYPERVISOR, "", "n3")
    facts = HypervisorFacts("n3", NOW, cloud.store.get(NODE, "", "n3"), host, ratios=Ratios(vcpus="2"))
    [patch] = plan_hypervisor(facts).effects
    nothing = {"memory": None, "disk": None}
    assert patch == Patch(HYPERVISOR, host, {"spec": {"overcommit": {"vcpus": "2", **nothing}}})
    cloud.put(HYPERVISOR, "n3", spec={"overcommit": {"vcpus": "2"}})
    host = cloud.store.get(HYPERVISOR, "", "n3")
    [patch] = plan_hypervisor(HypervisorFacts("n3", NOW, cloud.store.get(NODE, "", "n3"), host)).effects
    assert patch == Patch(HYPERVISOR, host, {"spec": {"overcommit": {"vcpus": None, **nothing}}})


def test_a_change_looks_at_the_rarest_label_and_not_at_all_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 300 nodes with the tier two are in the rack: the others are not asked for."""
    cloud, asked = Cloud(), []
    for number in range(300):
        cloud.node(f"n{number}", {"tier": "gold", "rack": f"r{number // 2}"})
    version_of = cloud.store.version_of

    def counted(kind: Kind[Any], namespace: str, name: str) -> int:
        asked.append(name)
        return version_of(kind, namespace, name)

    monkeypatch.setattr(cloud.store, "version_of", counted)
    woken = cloud.aggregate("rack", {"tier": "gold", "rack": "r7"}, vcpus="2")
    assert woken == {"Hypervisor n14", "Hypervisor n15"}
    assert sorted(asked) == ["n14", "n15"]
