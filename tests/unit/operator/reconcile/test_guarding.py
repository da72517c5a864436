"""Which SecurityGroups are in force, and what a SecurityGroup says of itself."""

from datetime import UTC, datetime

import pytest

from orlop_api.network import Network
from orlop_api.resource import LocalRef
from orlop_api.security_group import SecurityGroup
from orlop_operator.kinds import PORT, SECURITY_GROUP, OwnedPort
from orlop_operator.reconcile.effects import DropFinalizer, Patch, Report
from orlop_operator.reconcile.gather_groups import group_facts
from orlop_operator.reconcile.guarding import in_force
from orlop_operator.reconcile.instance.facts import Blocker
from orlop_operator.reconcile.port import PortFacts, plan_port
from orlop_operator.reconcile.security_group import plan_group
from orlop_operator.references import references
from orlop_operator.store import Change, Key, Store
from orlop_operator.wakes import wakes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FINALIZER = "orlop.dev/operator"


def group(name: str, *remote: str, deleting: bool = False) -> SecurityGroup:
    meta = {
        "name": name,
        "namespace": "demo",
        "uid": f"uid-{name}",
        "generation": 1,
        "finalizers": [FINALIZER],
    }
    if deleting:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    ingress = [{"securityGroupRef": {"name": other}} for other in remote]
    return SecurityGroup.model_validate({"metadata": meta, "spec": {"ingress": ingress}})


def port(name: str, *uids: str, version: int = 1, listed: tuple[str, ...] = (), owner: str = "") -> OwnedPort:
    meta = {"name": name, "namespace": "demo", "uid": name, "resourceVersion": str(version)}
    if owner:
        meta["ownerReferences"] = [{"kind": "Instance", "name": owner, "uid": owner, "controller": True}]
    spec = {"networkRef": {"name": "blue"}, "securityGroupRefs": [{"name": each} for each in listed]}
    return OwnedPort.model_validate({"metadata": meta, "spec": spec, "status": {"securityGroups": uids}})


def refs(*names: str) -> list[LocalRef]:
    return [LocalRef(name=name) for name in names]


@pytest.mark.parametrize(
    ("listed", "there", "known", "found"),
    [
        ((), {}, (), []),
        ((), {"web": group("web")}, (), []),
        ((), {"default": group("default")}, (), ["uid-default"]),
        ((), {"default": group("default", deleting=True)}, ("uid-default",), []),
        (("web",), {"web": group("web"), "default": group("default")}, (), ["uid-web"]),
        (("web", "app"), {"web": group("web"), "app": group("app")}, (), ["uid-app", "uid-web"]),
        (("web",), {}, (), Blocker("SecurityGroupNotFound", "SecurityGroup demo/web does not exist")),
        (("web",), {"web": group("web", deleting=True)}, ("uid-web",), ["uid-web"]),
        (
            ("web",),
            {"web": group("web", deleting=True)},
            (),
            Blocker("SecurityGroupNotReady", "SecurityGroup demo/web is being deleted"),
        ),
    ],
)
def test_in_force(listed, there, known, found):
    assert in_force("demo", refs(*listed), there, known) == found


def said(store: Store, name: str) -> tuple[str, str]:
    facts = group_facts(store, Key("SecurityGroup", "demo", name), NOW)
    assert facts
    (effect,) = plan_group(facts).effects
    assert isinstance(effect, Report)
    ready = next(c for c in effect.status["conditions"] if c["type"] == "Ready")
    return ready["reason"], ready["message"]


def test_a_rule_that_names_nothing_is_said():
    store = Store()
    store.observe(SECURITY_GROUP, group("web", "app"))
    assert said(store, "web") == (
        "SecurityGroupNotFound",
        "SecurityGroup demo/app, which a rule names, does not exist: that rule allows nothing until it does",
    )
    store.observe(SECURITY_GROUP, group("app"))
    assert said(store, "web")[0] == "Valid"


def test_it_goes_after_the_last_port():
    store = Store()
    store.observe(SECURITY_GROUP, group("web", deleting=True))
    for number in range(5):
        store.observe(PORT, port(f"p{number}", "uid-web"))
    store.observe(PORT, port("other", "uid-app"))
    message = "being deleted; stays in force until it is listed no more for Port p0, p1, p2 and 2 more"
    assert said(store, "web") == ("InUse", message)
    for number in range(5):
        store.observe(PORT, port(f"p{number}", version=2))
    facts = group_facts(store, Key("SecurityGroup", "demo", "web"), NOW)
    assert facts
    (effect,) = plan_group(facts).effects
    assert isinstance(effect, DropFinalizer)


def test_a_port_that_leaves_a_group_wakes_it():
    store = Store()
    store.observe(SECURITY_GROUP, group("web"))
    change = Change("Port", port("p", "uid-web", owner="i"), port("p", owner="i"))
    assert Key("SecurityGroup", "demo", "web") in set(wakes(change, store))
    change = Change("Port", port("p", "uid-web"), None)
    assert Key("SecurityGroup", "demo", "web") in set(wakes(change, store))


def test_who_lists_none_is_woken_by_default():
    assert ("SecurityGroup", "demo", "default") in set(references(port("p")))
    listed = set(references(port("p", listed=("web",))))
    assert ("SecurityGroup", "demo", "web") in listed
    assert ("SecurityGroup", "demo", "default") not in listed
    # Its Instance lists for it.
    assert {kind for kind, _, _ in references(port("p", owner="i"))} == {"Network"}


@pytest.mark.parametrize("deleting", ["the Port", "its Network"])
def test_a_port_that_is_deleted_or_whose_network_is_hears_of_default_while_a_guest_has_it(deleting):
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [FINALIZER]}
    binding = {"instanceName": "i", "instanceUID": "i", "nodeName": "n", "hostAddress": "192.0.2.1"}
    made = OwnedPort.model_validate(
        {
            "metadata": {"name": "p", "namespace": "demo", "uid": "p"}
            | (going if deleting == "the Port" else {"finalizers": [FINALIZER]}),
            "spec": {"networkRef": {"name": "blue"}},
            "status": {"addresses": ["10.10.0.2"], "macAddress": "02:00:10:01:00:02", "binding": binding},
        }
    )
    network = Network.model_validate(
        {
            "metadata": {"name": "blue", "namespace": "demo", "uid": "b", **going},
            "spec": {"subnets": [{"name": "v4", "cidr": "10.10.0.0/24"}]},
        }
    )
    (effect,) = plan_port(PortFacts(made, NOW, network, groups={"default": group("default")})).effects
    assert isinstance(effect, Patch)
    assert effect.change["status"]["securityGroups"] == ["uid-default"]
