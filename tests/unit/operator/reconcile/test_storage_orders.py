"""Orders about data that somebody has to be let in to: the key first, then the order; the key again if it is bad."""

from typing import Any

from orlop_api.hypervisor import Hypervisor, node_namespace
from orlop_api.storage import StorageAction, StorageOrder
from orlop_api.volume_class import VolumeLocation
from orlop_operator.reconcile.effects import CopySecret, Patch
from orlop_operator.reconcile.instance.facts import Blocker
from orlop_operator.reconcile.storage import giving

WHERE: dict[str, Any] = {"monitors": [{"host": "ceph-1"}], "pool": "vms", "imageName": "orlop-{uid}"}
SECRET = (node_namespace("n1"), "volume-v-1")


def order(**where: Any) -> StorageOrder:
    location = VolumeLocation.model_validate({"rbd": WHERE | where})
    return StorageOrder(uid="v-1", action=StorageAction.DELETE, location=location)


def host(given: StorageOrder | None = None, reason: str = "") -> Hypervisor:
    report = {"uid": "v-1", "action": "Delete", "state": "Pending", "reason": reason}
    body = {
        "metadata": {"name": "n1"},
        "spec": {"storage": [given.wire()] if given is not None else []},
        "status": {"storage": [report] if given is not None else []},
    }
    return Hypervisor.model_validate(body)


def given(secrets: dict[tuple[str, str], Blocker | None], known: Hypervisor) -> Any:
    plan = giving(known, order(user="orlop", credentials="ceph"), secrets)
    return plan.effects[0] if plan is not None else None


def written(patch: Any) -> StorageOrder:
    assert isinstance(patch, Patch)
    return StorageOrder.model_validate(patch.change["spec"]["storage"][0])


def test_the_key_is_there_before_the_order():
    copy = given({}, host())
    assert isinstance(copy, CopySecret)
    assert (copy.namespace, copy.name) == SECRET
    [part] = copy.parts
    assert (part.key, part.secret) == ("ceph-ceph", ("orlop-system", "ceph", "key"))
    asked = written(given({SECRET: None}, host()))
    assert asked.secret is not None
    assert (asked.secret.namespace, asked.secret.name, asked.secret.keys) == (*SECRET, ["ceph-ceph"])
    assert given({}, host(asked)) is None


def test_a_key_that_is_missing_holds_no_order_back_since_the_node_says_what_it_lacks():
    missing: dict[tuple[str, str], Blocker | None] = {SECRET: Blocker("SecretNotFound", "it does not exist")}
    assert written(given(missing, host())).secret is not None


def test_a_key_that_the_node_cannot_use_is_copied_again():
    asked = written(given({SECRET: None}, host()))
    for reason in ("CredentialsMissing", "CredentialsDamaged", "CredentialsRefused"):
        assert isinstance(given({}, host(asked, reason)), CopySecret)
        assert given({SECRET: None}, host(asked, reason)) is None, "once in a look"
    assert given({}, host(asked, "CephUnreachable")) is None


def test_no_user_needs_no_key():
    plan = giving(host(), order(), {})
    assert plan is not None
    assert written(plan.effects[0]) == order()
