"""A VolumeSnapshot and the nodes that may take it, moved as the operator and a node would."""

from datetime import UTC, datetime

import pytest

from orlop_api.condition import find
from orlop_api.hypervisor import Hypervisor
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_operator.reconcile.effects import DropFinalizer, Patch, Report
from orlop_operator.reconcile.snapshot import SnapshotFacts, plan_snapshot

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LOCAL = {"local": {"format": "qcow2"}}
SHARED = {"shared": {"pool": "nfs", "poolID": "p"}}
TARGET = {"host": "192.0.2.1", "port": 3260, "target": "iqn.2026-01.example:v", "lun": 1}
TGT = {"iscsi": TARGET | {"tgt": {"hypervisorName": "n2"}}}


class World:
    """Two nodes, a Volume with data, and a snapshot of it."""

    def __init__(self, location: dict, node: str | None = None, holder: str | None = None) -> None:
        ready = [{"type": "Ready", "status": "True", "reason": "Created"}]
        self.volume: dict = {
            "metadata": {"name": "data", "namespace": "demo", "uid": "v"},
            "spec": {"size": "1Gi", "className": "c"},
            "status": {"location": location, "conditions": ready},
        }
        if node is not None:
            self.volume["status"]["nodeName"] = node
        self.attach(holder)
        self.snapshot: dict = {
            "metadata": {"name": "s", "namespace": "demo", "uid": "u", "finalizers": ["orlop.dev/operator"]},
            "spec": {"volumeRef": {"name": "data"}},
        }
        alive = [{"type": "Ready", "status": "True", "reason": "AgentAlive"}]
        pools = [{"name": "nfs", "poolID": "p"}]
        self.hosts: dict[str, dict] = {
            name: {
                "metadata": {"name": name},
                "spec": {},
                "status": {"conditions": alive, "poolID": f"pool-{name}", "sharedPools": pools},
            }
            for name in ("n1", "n2")
        }
        self.let_go = False
        self.reader = ""

    def attach(self, node: str | None) -> None:
        held = {"instanceName": "web", "instanceUID": "i", "nodeName": node}
        self.volume["status"]["attachments"] = [held] if node else []

    def look(self) -> None:
        """Plan and act until nothing is left."""
        for _ in range(10):
            plan = plan_snapshot(
                SnapshotFacts(
                    VolumeSnapshot.model_validate(self.snapshot),
                    NOW,
                    Volume.model_validate(self.volume) if self.volume else None,
                    tuple(map(Hypervisor.model_validate, self.hosts.values())),
                    self.reader,
                )
            )
            for effect in plan.effects:
                match effect:
                    case Patch():
                        self.hosts[effect.seen.metadata.name]["spec"] |= effect.change["spec"]
                    case Report():
                        self.snapshot["status"] = effect.status
                    case DropFinalizer():
                        self.let_go = True
            if not plan.effects or self.let_go:
                return
        raise AssertionError("it wants something for ever")

    def orders(self) -> dict[str, dict]:
        return {name: o for name, h in self.hosts.items() for o in h["spec"].get("storage", [])}

    def answer(self, **said: object) -> None:
        for name, order in self.orders().items():
            report = {"uid": order["uid"], "action": order["action"], "state": "Done", **said}
            self.hosts[name]["status"]["storage"] = [report]

    def ready(self) -> tuple[str, str]:
        condition = find(VolumeSnapshot.model_validate(self.snapshot).status.conditions, "Ready")
        return condition.status, condition.reason


TAKEN = {"sizeBytes": 1 << 30, "consistency": "Crash", "takenAt": "2026-05-01T11:59:59Z"}


@pytest.mark.parametrize(
    ("world", "where"),
    [
        (World(LOCAL, "n2"), "n2"),
        (World(LOCAL, "n2", "n2"), "n2"),
        (World(SHARED), "n1"),
        (World(SHARED, holder="n2"), "n2"),
    ],
)
def test_it_is_taken_where_the_data_can_be_read(world: World, where: str):
    world.look()
    assert list(world.orders()) == [where]
    assert world.ready() == ("False", "Taking") if "status" in world.snapshot else True
    world.answer(**TAKEN)
    world.look()
    assert (world.ready(), world.orders()) == (("True", "Taken"), {})
    status = world.snapshot["status"]
    assert ("nodeName" in status) == ("shared" not in status["location"])
    world.snapshot["metadata"]["deletionTimestamp"] = "2026-05-01T12:00:00Z"
    world.look()
    assert [o["action"] for o in world.orders().values()] == ["Delete"]
    assert not world.let_go
    world.answer()
    world.look()
    assert world.let_go


def test_one_that_is_being_taken_is_given_up_where_it_is_taken():
    world = World(LOCAL, "n2")
    world.look()
    world.snapshot["metadata"]["deletionTimestamp"] = "2026-05-01T12:00:00Z"
    world.volume = {}
    world.look()
    assert {name: o["action"] for name, o in world.orders().items()} == {"n2": "Delete"}
    world.answer()
    world.look()
    assert world.let_go


def test_it_follows_a_shared_volume_to_the_guest_that_has_it():
    world = World(SHARED)
    world.look()
    assert list(world.orders()) == ["n1"]
    world.attach("n2")
    world.look()
    assert list(world.orders()) == ["n2"]


def test_who_serves_a_volume_takes_it_and_asks_the_node_whose_guest_has_it():
    world = World(TGT, holder="n1")
    world.look()
    [(name, order)] = world.orders().items()
    assert (name, order["heldBy"]) == ("n2", "n1")
    world.attach("n2")
    world.look()
    [(name, order)] = world.orders().items()
    assert (name, "heldBy" in order) == ("n2", False), "its own guest"
    world.attach(None)
    world.look()
    world.attach("n1")
    world.look()
    [order] = world.orders().values()
    assert order["heldBy"] == "n1", "who got it since is asked"
    world.answer(**TAKEN)
    world.look()
    assert (world.ready(), world.orders()) == (("True", "Taken"), {})
    status = world.snapshot["status"]
    assert (status["nodeName"], status["poolID"], status["location"]) == ("n2", "pool-n2", TGT)
    world.snapshot["metadata"]["deletionTimestamp"] = "2026-05-01T12:00:00Z"
    world.volume = {}
    world.look()
    assert {name: o["action"] for name, o in world.orders().items()} == {"n2": "Delete"}


def test_a_lost_node_hands_a_shared_volume_on_and_keeps_its_own():
    lost = [{"type": "Ready", "status": "Unknown", "reason": "NodeUnreachable"}]
    for location, node, then in ((SHARED, None, "n2"), (LOCAL, "n1", "n1")):
        world = World(location, node)
        world.look()
        assert list(world.orders()) == ["n1"]
        world.hosts["n1"]["status"]["conditions"] = lost
        world.look()
        assert list(world.orders()) == [then]


def test_data_that_is_being_deleted_is_not_kept():
    world = World(LOCAL, "n2")
    world.volume["metadata"]["deletionTimestamp"] = "2026-05-01T11:59:59Z"
    world.look()
    assert (world.ready(), world.orders()) == (("False", "VolumeNotReady"), {})


def test_what_a_server_keeps_is_not_copied():
    for location in ({"iscsi": TARGET}, {"nbd": {"host": "h", "port": 1, "export": "e"}}):
        world = World(location)
        world.look()
        assert (world.ready(), world.orders()) == (("False", "NotSupported"), {})


def test_it_stays_while_somebody_is_to_copy_it_and_where_the_pool_is_another():
    world = World(LOCAL, "n2")
    world.look()
    world.answer(**TAKEN)
    world.look()
    world.snapshot["metadata"]["deletionTimestamp"] = "2026-05-01T12:00:00Z"
    world.reader = "Instance demo/web"
    world.look()
    assert (world.ready(), world.orders()) == (("True", "InUse"), {})
    assert world.snapshot["status"]["message"] == "being deleted; waits until Instance demo/web has copied it"
    world.reader = ""
    world.hosts["n2"]["status"]["poolID"] = "another"
    world.look()
    assert (world.ready(), world.orders()) == (("True", "PoolChanged"), {})
    assert not world.let_go


def test_a_failure_that_stays_is_told_and_its_order_taken_back():
    world = World(LOCAL, "n1")
    world.look()
    world.answer(state="Failed", reason="DiskLost", message="it is not where it was")
    world.look()
    assert (world.ready(), world.orders()) == (("False", "DiskLost"), {})
    assert world.snapshot["status"]["message"] == "it is not where it was"
