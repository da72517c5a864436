"""Where an Instance could be, from objects alone: by the operator's own facts, requests and World."""

from datetime import UTC, datetime, timedelta

import pytest

from orlop_api.boot import Boot
from orlop_api.condition import timestamp
from orlop_api.instance import Instance, InstanceSpec
from orlop_api.resource import Metadata, ObjectRef
from orlop_operator.explaining import NEEDED, Explanation, Missing
from orlop_operator.kinds import NODE, WATCHED, ConfigMap
from support import wishes
from support.placed import GI, assignment, hypervisor, image, instance, node, seen

TWO = [(node("a"), hypervisor("a")), (node("b"), hypervisor("b", vcpus=2))]


def against(found: Explanation) -> dict[str, list[str]]:
    return {row.node: [verdict.filter for verdict in row.rejections] for row in found.rows}


def test_one_that_waits() -> None:
    taint = {"taints": [{"key": "db", "effect": "NoSchedule"}], "unschedulable": True}
    nodes = [(node("a", **taint), hypervisor("a")), (node("b"), hypervisor("b", ready="Unknown"))]
    web = instance("web") | {
        "status": {"conditions": [{"type": "Scheduled", "status": "False", "reason": "X", "message": "0/2"}]}
    }
    found = seen(nodes, instances=[web]).explain("demo", "web")
    assert against(found) == {"b": ["alive"], "a": ["cordoned", "taints"]}
    assert (found.node, found.told) == (None, {"Scheduled": "0/2"})


def test_one_that_has_its_node_is_not_in_its_own_way_and_its_disk_keeps_it() -> None:
    full = assignment("web", "a", vcpus=8, state="Running", rootDisk="Created")
    found = seen(TWO, instances=[instance("web")], assignments=[full]).explain("demo", "web")
    assert found.node == "a"
    assert against(found) == {"a": [], "b": ["pinned"]}
    other = assignment("other", "a", namespace="elsewhere", vcpus=8)
    found = seen(TWO, instances=[instance("web")], assignments=[full, other]).explain("demo", "web")
    assert against(found) == {"a": ["vcpu"], "b": ["pinned"]}


def test_a_node_that_refused_says_why() -> None:
    refused = assignment("web", "a", state="Refused", message="no room after all")
    found = seen(TWO, instances=[instance("web")], assignments=[refused]).explain("demo", "web")
    (row,) = [row for row in found.rows if row.node == "a"]
    assert [(v.filter, v.text) for v in row.rejections] == [("excluded", "refused (no room after all)")]


@pytest.mark.parametrize(
    ("status", "age", "found"),
    [
        ("False", 5, {"b": [], "a": ["excluded"]}),
        ("False", 61, {"a": [], "b": []}),
        ("True", 61, {"b": [], "a": ["excluded"]}),
    ],
)
def test_a_refusal_counts_as_long_as_the_operator_heeds_it(
    status: str, age: int, found: dict[str, list[str]]
) -> None:
    """It came after the Instance was Scheduled last, and before it said that it is not."""
    since = timestamp(datetime.now(UTC) - timedelta(seconds=age))
    said = {"type": "Scheduled", "status": status, "reason": "X", "lastTransitionTime": since}
    web = instance("web") | {"status": {"conditions": [said]}}
    refused = assignment("web", "a", state="Refused")
    assert against(seen(TWO, instances=[web], assignments=[refused]).explain("demo", "web")) == found


def test_the_table_is_made_without_what_is_not_there_yet() -> None:
    found = seen(TWO, images=[], instances=[instance("web")]).explain("demo", "web")
    assert found.open == {"ImageReady": "Image demo/tiny does not exist"}
    assert against(found) == {"a": [], "b": []}
    wanting = [{"name": "data", "volumeRef": {"name": "data"}}]
    found = seen(TWO, instances=[instance("web", volumes=wanting)]).explain("demo", "web")
    assert found.open == {"VolumesReady": "Volume demo/data does not exist"}
    grouped = instance("web", placement={"groupRef": {"name": "db"}})
    found = seen(TWO, instances=[grouped]).explain("demo", "web")
    assert found.open == {"Scheduled": "InstanceGroup demo/db does not exist"}


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(Missing, match="Instance demo/none does not exist"):
        seen(TWO).explain("demo", "none")
    with pytest.raises(Missing, match="Flavor none does not exist"):
        seen(TWO, instances=[instance("web", flavorName="none")]).explain("demo", "web")


def test_a_group_has_its_say() -> None:
    group = wishes.thing("InstanceGroup", "demo", "db", {"policy": "AntiAffinity"})
    group["metadata"]["uid"] = "group"
    member = {"uid": "uid-other", "name": "other", "domain": "a", "order": "1"}
    group["status"] = {"members": [member]}
    web = instance("web", placement={"groupRef": {"name": "db"}})
    found = seen(TWO, groups=[group], instances=[web]).explain("demo", "web")
    assert against(found) == {"a": ["group"], "b": []}


def test_it_goes_by_the_profile_of_the_instance() -> None:
    text = "profiles: [{name: anywhere, filters: [], weights: [{name: pack}]}]"
    cordoned = [(node("a", unschedulable=True), hypervisor("a")), TWO[1]]
    web = instance("web", placement={"profile": "anywhere"})
    made = seen(cordoned, instances=[web, instance("plain")])
    unknown = made.explain("demo", "web")
    assert unknown.rows == ()
    assert "there is no scheduler profile anywhere" in str(unknown.answer)
    assert made.follow(ConfigMap(data={"profiles.yaml": text})) == ""
    found = made.explain("demo", "web")
    assert against(found) == {"a": [], "b": []}
    assert set(found.rows[0].scores) == {"pack scarcest"}
    assert against(made.explain("demo", "plain")) == {"b": [], "a": ["cordoned"]}
    assert made.follow(ConfigMap(data={"profiles.yaml": "default: 2026-13-45"})).startswith("default is ")
    assert made.follow(ConfigMap(data={})) == "it has no key profiles.yaml"


def one_more(flavor: str, name: str | None = None) -> Instance:
    boots = Boot(image_ref=ObjectRef(name=name)) if name else Boot()
    return Instance(
        metadata=Metadata(name="One-More", namespace="demo", uid="one-more"),
        spec=InstanceSpec(flavor_name=flavor, boot=boots),
    )


def test_how_many_more_fit() -> None:
    there = [assignment("x", "b"), assignment("gone", "b", state="Released")]
    found = seen(TWO, assignments=there).capacity(one_more("small"))
    assert {each.node: each.count for each in found} == {"a": 8, "b": 1}
    found = seen(TWO).capacity(one_more("large"))
    assert [(each.node, each.count) for each in found] == [("a", 1), ("b", 1)]


def test_an_image_has_its_say() -> None:
    arm = [(one, {**two, "status": two["status"] | {"architecture": "aarch64"}}) for one, two in TWO]
    found = seen(arm, images=[image(architecture="x86_64")]).capacity(one_more("small", "tiny"))
    assert {each.count for each in found} == {0}
    assert {verdict.filter for each in found for verdict in each.limits} == {"architecture"}
    with pytest.raises(Missing, match="Image demo/none does not exist"):
        seen(TWO).capacity(one_more("small", "none"))
    with pytest.raises(Missing, match="needs 16Gi of memory"):
        seen(TWO, images=[image(minMemory="16Gi")]).capacity(one_more("small", "tiny"))


def test_nodes_are_read_before_hypervisors() -> None:
    """A Hypervisor whose Node is not known would count as cordoned."""
    kinds = [kind for kind, _ in NEEDED]
    assert kinds[0] is NODE
    assert set(kinds) <= set(WATCHED)


def volume(node: str | None, size: str = "80Gi", **status: object) -> dict:
    """One that `web` has claimed, and no node has made yet."""
    held = {"instanceName": "web", "instanceUID": "uid-web", "nodeName": node, "generation": 1}
    claimed = {"nodeName": node, "poolID": f"pool-{node}", "location": {"local": {}}, "attachments": [held]}
    return {
        "metadata": {"name": "data", "namespace": "demo", "uid": "data"},
        "spec": {"size": size, "className": "local"},
        "status": (claimed if node else {}) | status,
    }


def test_a_volume_that_it_has_claimed_is_not_in_its_way() -> None:
    wanting = [{"name": "data", "volumeRef": {"name": "data"}}]
    web = instance("web", volumes=wanting)
    found = seen(TWO, instances=[web], volumes=[volume("a")]).explain("demo", "web")
    assert (found.open, against(found)) == ({}, {"a": [], "b": []})
    fresh = seen(TWO, instances=[web], volumes=[volume(None)]).explain("demo", "web")
    assert {row.node: row.total for row in found.rows} == {row.node: row.total for row in fresh.rows}
    # It counts once, and no less: with as much again on the node there is no room.
    other = volume("a", "20Gi")
    other["metadata"] |= {"name": "other", "uid": "other"}
    found = seen(TWO, instances=[web], volumes=[volume("a"), other]).explain("demo", "web")
    assert against(found) == {"a": ["disk"], "b": []}
    (row,) = [row for row in found.rows if row.node == "a"]
    assert row.rejections[0].text == "not enough disk (need 85Gi, most free 80Gi on a)"


def test_a_volume_that_is_only_wished_to_be_large_leaves_room() -> None:
    large = volume(
        "a", "64Ti", capacityBytes=GI, conditions=[{"type": "Ready", "status": "True", "reason": "X"}]
    )
    kept = [{"storage": GI, "volumes": 1, "holders": ["data"]}]
    meta = {"name": "default", "namespace": "demo", "uid": "quota"}
    quota = {"metadata": meta, "spec": {"limits": {"storage": "1Gi"}}, "status": {"reservations": kept}}
    found = seen(TWO, instances=[instance("web")], volumes=[large], quotas=[quota]).explain("demo", "web")
    assert against(found) == {"a": [], "b": []}
