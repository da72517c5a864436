"""InstanceGroups one step at a time: the place, who waits, who is woken, and the end."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from orlop_api.assignment import Assignment
from orlop_api.instance import Instance
from orlop_api.instance_group import MOST_MEMBERS, InstanceGroup
from orlop_operator.group_wakes import is_news, of_groups
from orlop_operator.kinds import ASSIGNMENT, INSTANCE, INSTANCE_GROUP
from orlop_operator.reconcile.effects import DropFinalizer, Inform, Patch
from orlop_operator.reconcile.instance.facts import Facts
from orlop_operator.reconcile.instance.group import CHANGED_MIND, blocker, join, need
from orlop_operator.reconcile.instance_group import GroupFacts, plan_instance_group
from orlop_operator.store import Change, Key, Store
from support import placed, wishes

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def group(*members: tuple[str, str, str], policy: str = "AntiAffinity", **spec: Any) -> InstanceGroup:
    """Members are uid, domain and the version of their Assignment."""
    body = wishes.thing("InstanceGroup", "demo", "web", {"policy": policy, **spec})
    body["metadata"] |= {"uid": "group", "resourceVersion": "50"}
    listed = [{"uid": uid, "name": uid, "domain": where, "order": order} for uid, where, order in members]
    return InstanceGroup.model_validate(body | {"status": {"members": listed}})


def facts(found: InstanceGroup | None, version: str | None = "9") -> Facts:
    body = wishes.instance("demo", "me", placement={"groupRef": {"name": "web"}})
    body["metadata"]["uid"] = "me"
    order = None
    if version is not None:
        spec = {
            "instance": {"namespace": "demo", "name": "me", "uid": "me"},
            "vcpus": 1, "memoryBytes": 1, "rootDiskBytes": 1,
        }  # fmt: skip
        meta = {"name": "me", "namespace": "orlop-assignments", "uid": "o", "resourceVersion": version}
        order = Assignment.model_validate({"metadata": meta, "spec": spec})
    return Facts(
        Instance.model_validate(body), NOW, assignment=order, group=found, domain=lambda node, _: node
    )


def written(made: tuple[Any, ...]) -> list[tuple[str, str, str]]:
    (patch,) = made
    assert isinstance(patch, Patch)
    assert patch.kind is INSTANCE_GROUP
    return [(each["uid"], each["domain"], each["order"]) for each in patch.change["status"]["members"]]


def test_a_place_is_written_before_the_binding_and_once() -> None:
    assert written(join(facts(group(("x", "b", "3"))), "a")) == [("x", "b", "3"), ("me", "a", "9")]
    assert join(facts(group(("me", "a", "9"))), "a") == ()
    assert join(facts(group(), None), "a") == ()


def test_a_place_for_an_earlier_version_is_written_anew() -> None:
    assert written(join(facts(group(("me", "a", "8"))), "a")) == [("me", "a", "9")]
    assert written(join(facts(group(("me", "b", "8"))), "a")) == [("me", "a", "9")]


def test_who_changes_its_mind_writes_the_order_first() -> None:
    (patch,) = join(facts(group(("me", "b", "9"))), "a")
    assert isinstance(patch, Patch)
    assert patch.change == {"metadata": {"annotations": {CHANGED_MIND: "9"}}}


def test_who_knows_an_old_order_reads_it() -> None:
    assert isinstance(join(facts(group(("me", "b", "10"))), "a")[0], Inform)


def test_no_place_is_taken_that_the_group_does_not_allow() -> None:
    with pytest.raises(AssertionError, match="is in a domain that the group does not allow"):
        join(facts(group(("x", "a", "3"))), "a")


@pytest.mark.parametrize("policy", ["SoftAffinity", "SoftAntiAffinity"])
def test_soft_policies_take_no_place(policy: str) -> None:
    found = facts(group(policy=policy))
    assert join(found, "a") == ()
    wanted = need(replace(found, companions=lambda: {"a": 2}))
    assert wanted is not None
    assert (wanted.hard, wanted.others) == (False, {"a": 2})


def test_what_keeps_it_from_being_placed() -> None:
    assert blocker(facts(group())) is None
    missing = blocker(facts(None))
    assert missing is not None
    assert missing.reason == "InstanceGroupNotFound"
    full = [(f"u{n}", f"n{n}", "1") for n in range(MOST_MEMBERS)]
    found = blocker(facts(group(*full)))
    assert found is not None
    assert found.message == f"InstanceGroup demo/web has {MOST_MEMBERS} Instances, and can have no more"
    assert blocker(facts(group(*full[1:], ("me", "a", "1")))) is None
    assert blocker(facts(group(*full, policy="SoftAffinity"))) is None


def test_who_is_gone_gives_the_place_back() -> None:
    found = group(("x", "a", "1"), ("y", "b", "2"))
    (patch,) = plan_instance_group(GroupFacts(found, NOW, gone={"x"})).effects
    assert isinstance(patch, Patch)
    assert [each["uid"] for each in patch.change["status"]["members"]] == ["y"]
    (ready,) = patch.change["status"]["conditions"]
    assert ready["message"] == "AntiAffinity by kubernetes.io/hostname, at most 1 each"


def test_it_ends_after_who_names_it_and_who_has_a_place() -> None:
    left = group(("x", "a", "1"))
    going = left.model_copy(
        update={"metadata": left.metadata.model_copy(update={"deletion_timestamp": "2026-05-01T12:00:00Z"})}
    )
    (patch,) = plan_instance_group(GroupFacts(going, NOW, users={"w"})).effects
    assert isinstance(patch, Patch)
    assert "by Instance w, x" in str(patch.change)
    (end,) = plan_instance_group(GroupFacts(going, NOW, gone={"x"})).effects
    assert isinstance(end, DropFinalizer)


def test_those_wait_no_longer_whose_place_came_back() -> None:
    store = Store()
    for name in ("one", "two"):
        body = wishes.instance("demo", name, placement={"groupRef": {"name": "web"}})
        body["metadata"] |= {"uid": name, "resourceVersion": "1"}
        store.observe(INSTANCE, INSTANCE.parse(body))
    joined = Change("InstanceGroup", group(), group(("one", "a", "1")))
    left = Change("InstanceGroup", group(("one", "a", "1")), group())
    made = Change("InstanceGroup", None, group())
    assert (is_news(joined), is_news(left), is_news(made)) == (False, False, True)
    assert list(of_groups(joined, store)) == []
    assert sorted(of_groups(left, store)) == [Key("Instance", "demo", "one"), Key("Instance", "demo", "two")]
    for name, state in (("one", "Refused"), ("two", "Running")):
        order = placed.assignment(name, "a", state=state)
        order["metadata"] |= {"name": name, "resourceVersion": "2"}
        store.observe(ASSIGNMENT, ASSIGNMENT.parse(order))
    assert list(of_groups(left, store)) == [Key("Instance", "demo", "one")]


@pytest.mark.parametrize(
    ("version", "on", "status", "counts"),
    [
        ("3", None, {}, True),
        ("4", None, {}, False),
        ("5", "b", {}, True),
        ("6", "b", {"state": "Running"}, True),
        ("6", "b", {"state": "Refused"}, False),
        ("6", "b", {"state": "Released"}, False),
        ("3", "b", {"state": "Refused"}, True),
    ],
)
def test_another_s_place_counts_as_long_as_it_binds(
    version: str, on: str | None, status: dict[str, str], counts: bool
) -> None:
    """The place is for the version 3 of the other's order."""
    body = placed.assignment("x", on, **status)
    body["metadata"]["resourceVersion"] = version
    known = facts(group(("x", "b", "3")))
    wanted = need(replace(known, order_of={"x": Assignment.model_validate(body)}.get))
    assert wanted is not None
    assert wanted.taken == ({"b": 1} if counts else {})
    unknown = need(known)
    assert unknown is not None
    assert unknown.taken == {"b": 1}
