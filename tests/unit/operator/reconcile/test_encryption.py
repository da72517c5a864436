"""The passphrase of an encrypted Volume on its way to a node: before the order that needs it, and gone with it."""

from datetime import UTC, datetime

import pytest

from orlop_api.condition import find
from orlop_api.hypervisor import Hypervisor, node_namespace
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.storage import StorageOrder
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeClass
from orlop_operator.reconcile.effects import Copied, CopySecret, Patch, Plan, Remove, Report
from orlop_operator.reconcile.encryption import KEY_AGAIN, MADE_ONLY, ONE_GUEST, asking, keyed, refusal
from orlop_operator.reconcile.instance.facts import Blocker
from orlop_operator.reconcile.location import locate
from orlop_operator.reconcile.snapshot import SnapshotFacts, plan_snapshot
from orlop_operator.reconcile.volume import VolumeFacts, plan_volume

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
READY = [{"type": "Ready", "status": "True", "reason": "Created"}]
SPACE = node_namespace("n1")
GONE = Blocker("SecretNotFound", "Secret demo/keys does not exist")


class World:
    """A node, an encrypted Volume that nobody has, and a snapshot of it; the operator's passes, one by one."""

    def __init__(self) -> None:
        sealed = {"secretRef": {"name": "keys", "key": "k"}}
        self.volume: dict = {
            "metadata": {"name": "data", "namespace": "demo", "uid": "v"},
            "spec": {"size": "2Gi", "className": "c", "encryption": sealed},
            "status": {
                "location": {"local": {}, "encryption": "LUKS"},
                "nodeName": "n1",
                "conditions": READY,
                "capacityBytes": 1 << 30,
            },
        }
        self.snapshot: dict = {
            "metadata": {"name": "s", "namespace": "demo", "uid": "u", "finalizers": ["orlop.dev/operator"]},
            "spec": {"volumeRef": {"name": "data"}},
        }
        self.host: dict = {
            "metadata": {"name": "n1"},
            "spec": {},
            "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "AgentAlive"}]},
        }
        self.volume_class: VolumeClass | None = None
        self.copied: Blocker | None = None
        self.done: list[str] = []
        self.again: float | None = None

    def look(self, kind: str) -> None:
        """One look of the Volume or the snapshot, to its end; `done` is what it did with Secrets and orders."""
        secrets: dict[tuple[str, str], Blocker | None] = {}
        self.done = []
        for _ in range(8):
            host, volume = Hypervisor.model_validate(self.host), Volume.model_validate(self.volume)
            if kind == "volume":
                plan = plan_volume(
                    VolumeFacts(volume, NOW, self.volume_class, hypervisor=host, secrets=secrets)
                )
            else:
                thing = VolumeSnapshot.model_validate(self.snapshot)
                plan = plan_snapshot(SnapshotFacts(thing, NOW, volume, (host,), secrets=secrets))
            self.again = plan.again_after
            for effect in plan.effects:
                match effect:
                    case CopySecret(namespace, name, parts):
                        uid = name.removeprefix("volume-")
                        assert namespace == SPACE
                        assert parts == (Copied(f"luks-{uid}", secret=("demo", "keys", "k")),)
                        secrets[namespace, name] = self.copied
                        self.done.append(f"copy {name}")
                    case Remove(path):
                        self.done.append(f"remove {path.rsplit('/', 1)[1]}")
                    case Patch(subresource="status"):
                        self.volume["status"] |= effect.change["status"]
                    case Patch():
                        self.host["spec"] |= effect.change["spec"]
                        self.done.append("order" if effect.change["spec"]["storage"] else "no order")
                    case Report():
                        self.snapshot["status"] = effect.status
            if not plan.effects:
                return
        raise AssertionError("it wants something for ever")

    def order(self) -> dict:
        [order] = self.host["spec"]["storage"]
        return order

    def answer(self, state: str = "Done", **said: object) -> None:
        order = self.order()
        self.host["status"]["storage"] = [
            {"uid": order["uid"], "action": order["action"], "state": state, **said}
        ]

    def says(self, kind: str) -> str:
        """Reason and message of what is not as it shall be."""
        if kind == "volume":
            found = find(Volume.model_validate(self.volume).status.conditions, "Resizing")
        else:
            found = find(VolumeSnapshot.model_validate(self.snapshot).status.conditions, "Ready")
        return f"{found.reason}: {found.message}" if found is not None else ""


@pytest.fixture(params=["volume", "snapshot"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_node_gets_the_passphrase_before_the_order_and_loses_it_after(kind: str):
    world, uid = World(), {"volume": "v", "snapshot": "u"}[kind]
    world.look(kind)
    assert world.done == [f"copy volume-{uid}", "order"]
    keys = [f"luks-{uid}"]
    assert world.order()["secret"] == {"namespace": SPACE, "name": f"volume-{uid}", "keys": keys}
    world.look(kind)
    assert world.done == [], "what is ordered is not copied again"
    world.answer(sizeBytes=2 << 30, consistency="Detached", takenAt="2026-05-01T11:59:59Z")
    world.look(kind)
    assert world.done == ["no order", f"remove volume-{uid}"]


def test_a_secret_that_is_missing_is_named_and_looked_for_again(kind: str):
    world = World()
    world.copied = GONE
    world.look(kind)
    assert "order" not in world.done
    assert world.again == KEY_AGAIN
    assert GONE.message in world.says(kind)
    world.copied = None
    world.look(kind)
    assert world.order()


def test_a_passphrase_that_does_not_fit_is_given_anew_until_it_does(kind: str):
    world, uid = World(), {"volume": "v", "snapshot": "u"}[kind]
    world.look(kind)
    world.answer("Pending", reason="KeyWrong", message="the passphrase does not open it")
    for _ in range(2):
        world.look(kind)
        assert world.done == [f"copy volume-{uid}"]
        assert world.again == KEY_AGAIN
        assert "the passphrase does not open it" in world.says(kind)
    world.answer(sizeBytes=2 << 30, consistency="Detached", takenAt="2026-05-01T11:59:59Z")
    world.look(kind)
    assert world.done == ["no order", f"remove volume-{uid}"]


def test_a_snapshot_that_is_given_up_needs_no_passphrase():
    world = World()
    world.look("snapshot")
    world.snapshot["metadata"]["deletionTimestamp"] = "2026-05-01T12:00:00Z"
    world.look("snapshot")
    assert world.done == ["order", "remove volume-u"]
    assert (world.order()["action"], world.order().get("secret")) == ("Delete", None)


def test_a_snapshot_is_kept_as_its_volume_is():
    world = World()
    world.look("snapshot")
    assert world.order()["location"]["encryption"] == "LUKS"
    world.answer(sizeBytes=2 << 30, consistency="Detached", takenAt="2026-05-01T11:59:59Z")
    world.look("snapshot")
    assert world.snapshot["status"]["location"]["encryption"] == "LUKS"


POOL = {"monitors": [{"host": "m"}], "pool": "vms", "user": "u", "credentialsSecretRef": {"name": "ceph"}}
TGT = {"host": "h", "tgt": {"hypervisorName": "n1"}}
CLASSES = {
    "local": ({}, True),
    "shared": ({"pool": "nfs"}, True),
    "rbd": (POOL, True),
    "nbd": ({"host": "h"}, False),
    "iscsi": ({"host": "h"}, False),
}


def kept_by(driver: str, parameters: dict) -> VolumeClass:
    spec = {"driver": driver, driver: parameters}
    return VolumeClass.model_validate({"metadata": {"name": "c"}, "spec": spec})


def test_who_makes_a_target_gets_the_passphrase_first():
    world = World()
    world.volume["status"] = {}
    world.volume["metadata"]["finalizers"] = ["orlop.dev/operator"]
    world.volume_class = kept_by("iscsi", TGT)
    world.copied = GONE
    world.look("volume")
    assert world.done == ["copy volume-v"]
    assert world.volume["status"]["location"]["encryption"] == "LUKS"
    [ready] = [c for c in world.volume["status"]["conditions"] if c["type"] == "Ready"]
    assert (ready["reason"], ready["message"], world.again) == (GONE.reason, GONE.message, KEY_AGAIN)
    world.copied = None
    world.look("volume")
    assert world.done == ["copy volume-v", "order"]
    assert (world.order()["action"], world.order()["secret"]["keys"]) == ("Create", ["luks-v"])
    world.answer("Pending", reason="KeyInvalid", message="it is empty")
    world.look("volume")
    assert (world.done, world.again) == (["copy volume-v"], KEY_AGAIN)
    world.answer(sizeBytes=2 << 30)
    world.look("volume")
    assert world.done == ["no order", "remove volume-v"]


def test_a_node_gets_what_opens_an_image_in_ceph_beside_its_passphrase():
    where = {"monitors": [{"host": "m"}], "pool": "vms", "imageName": "orlop-{uid}", "user": "u"}
    location = {"rbd": where | {"credentials": "ceph"}, "encryption": "LUKS"}
    volume = Volume.model_validate(World().volume)
    host = Hypervisor.model_validate(World().host)
    plain = {"uid": "v", "action": "Expand", "location": location, "sizeBytes": 1}
    order = keyed(host, StorageOrder.model_validate(plain), volume)
    assert order.secret is not None
    assert order.secret.keys == ["ceph-ceph", "luks-v"]
    copy = asking(host, order, volume, {})
    assert isinstance(copy, Plan)
    parts = (
        Copied("ceph-ceph", secret=("orlop-system", "ceph", "key")),
        Copied("luks-v", secret=("demo", "keys", "k")),
    )
    assert copy.effects == (CopySecret(SPACE, "volume-v", parts),)
    given = asking(host, order, volume, {(SPACE, "volume-v"): None})
    assert isinstance(given, Plan)
    [patch] = given.effects
    ordered = host.wire() | {"spec": patch.change["spec"]}
    assert ordered["spec"]["storage"] == [order.wire()]
    assert asking(Hypervisor.model_validate(ordered), order, volume, {}) is None
    report = {"uid": "v", "action": "Expand", "state": "Pending", "reason": "CredentialsRefused"}
    refused = Hypervisor.model_validate(ordered | {"status": {"storage": [report]}})
    assert asking(refused, order, volume, {}) == copy, "either may have been replaced"


def test_what_several_may_write_to_is_not_encrypted():
    spec = {"driver": "shared", "shared": {"pool": "nfs", "format": "raw"}, "multiAttach": "Enabled"}
    kept = VolumeClass.model_validate({"metadata": {"name": "c"}, "spec": spec})
    assert refusal(Volume.model_validate(World().volume | {"status": {}}), kept) == ONE_GUEST


def test_the_word_that_a_volume_was_made_with_counts():
    """Another class has the name of its class now."""
    spec = {"driver": "shared", "shared": {"pool": "nfs", "format": "raw"}}
    several = VolumeClass.model_validate(
        {"metadata": {"name": "c"}, "spec": spec | {"multiAttach": "Enabled"}}
    )
    one = VolumeClass.model_validate({"metadata": {"name": "c"}, "spec": spec})
    made = World().volume
    assert refusal(Volume.model_validate(made), several) is None
    made["status"]["multiAttach"] = "Enabled"
    assert refusal(Volume.model_validate(made), one) == ONE_GUEST


@pytest.mark.parametrize("driver", CLASSES)
def test_what_orlop_does_not_make_is_not_encrypted(driver: str):
    parameters, able = CLASSES[driver]
    kept = kept_by(driver, parameters)
    world = World()
    world.volume["status"] = {}
    world.host["status"]["sharedPools"] = [{"name": "nfs", "poolID": "p"}]
    volume, host = Volume.model_validate(world.volume), Hypervisor.model_validate(world.host)
    [effect] = plan_volume(VolumeFacts(volume, NOW, kept, hypervisor=host)).effects
    told = effect.change["status"]["conditions"][0]
    if able:
        assert told["reason"] == "WaitForFirstInstance"
        where = locate(volume, kept, host)
        assert where is not None
        assert where.encryption == "LUKS"
    else:
        assert (told["reason"], told["message"]) == ("NotSupported", MADE_ONLY)
