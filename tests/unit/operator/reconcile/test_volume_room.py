"""The room that a Volume takes of a node: what it has and what was granted, never what is only wished for."""

from typing import Any

import pytest

from orlop_api.quota import Quota
from orlop_api.volume import Volume
from orlop_operator.kinds import QUOTA, VOLUME, Kind, M
from orlop_operator.placements import Placements
from orlop_operator.reconcile.counting import UNLIMITED, Standing
from orlop_operator.reconcile.volume_room import volume_hold
from orlop_operator.scheduling import Usage
from orlop_operator.store import Change, Store

GI = 2**30
UNIT = {"host": "h", "port": 3260, "target": "iqn.2026-01.dev.orlop:data", "lun": 1}
READY = [{"type": "Ready", "status": "True", "reason": "Created"}]


def volume(size: str = "10Gi", node: str | None = "a", **status: Any) -> Volume:
    meta = {"name": "data", "namespace": "demo", "uid": "data"}
    spec = {"size": size, "className": "local"}
    return Volume.model_validate({"metadata": meta, "spec": spec, "status": {"nodeName": node} | status})


def made(size: str, capacity: int) -> Volume:
    return volume(size, location={"local": {}}, capacityBytes=capacity, conditions=READY)


def quota(storage: int, uid: str = "quota") -> Quota:
    """With so much reserved for the Volume."""
    held = [{"storage": storage, "volumes": 1, "holders": ["data"]}] if storage else []
    meta = {"name": "default", "namespace": "demo", "uid": uid}
    return Quota.model_validate({"metadata": meta, "spec": {"limits": {}}, "status": {"reservations": held}})


class Cloud:
    """A store with its World."""

    def __init__(self) -> None:
        self.store = Store(self._changed)
        self.placements = Placements(self.store)
        self.woken = self._version = 0

    def _changed(self, change: Change) -> None:
        self.woken += self.placements.take_over(change)

    def see(self, kind: Kind[M], thing: M) -> None:
        """Each time a newer one."""
        self._version += 1
        newer = thing.metadata.model_copy(update={"resource_version": str(self._version)})
        self.store.observe(kind, thing.model_copy(update={"metadata": newer}))

    def held(self) -> int:
        """Bytes."""
        found = self.placements.world.held_by("data")
        return found[1].disk if found is not None else 0


@pytest.mark.parametrize(
    ("one", "stands", "holds"),
    [
        (volume(node=None), UNLIMITED, None),
        (volume(), UNLIMITED, 10 * GI),
        (volume(), Standing(has={"storage": 10 * GI}), 10 * GI),
        # Claimed, and made larger by its owner before it is made.
        (volume("64Ti"), Standing(reserved=False, why="full", has={"storage": 10 * GI}), 10 * GI),
        (made("64Ti", GI), Standing(reserved=False, why="full", has={}), GI),
        # Growth that is reserved takes room before the node has carried it out.
        (made("8Gi", GI), Standing(has={"storage": 8 * GI}), 8 * GI),
        (made("8Gi", GI), UNLIMITED, 8 * GI),
        (volume(node=None, location={"iscsi": UNIT | {"tgt": {"hypervisorName": "a"}}}), UNLIMITED, 10 * GI),
        (volume(node=None, location={"iscsi": UNIT}), UNLIMITED, None),
    ],
)
def test_a_volume_holds_what_it_has_or_was_granted(one: Volume, stands: Standing, holds: int | None) -> None:
    assert volume_hold(one, stands) == (("a", Usage(disk=holds)) if holds is not None else None)


def test_what_a_volume_holds_follows_its_quota() -> None:
    cloud = Cloud()
    cloud.see(QUOTA, quota(GI))
    cloud.see(VOLUME, made("1Gi", GI))
    cloud.see(VOLUME, made("64Ti", GI))
    assert cloud.held() == GI
    cloud.see(QUOTA, quota(2 * GI))
    assert cloud.held() == 2 * GI
    cloud.store.remove(QUOTA, "demo", "default", "quota")
    assert cloud.held() == 64 << 40
    cloud.see(QUOTA, quota(0, "another"))
    assert cloud.held() == GI


def test_a_volume_that_loses_its_node_makes_room() -> None:
    cloud = Cloud()
    cloud.see(VOLUME, volume())
    assert (cloud.held(), cloud.woken) == (10 * GI, 0)
    cloud.see(VOLUME, volume(node=None))
    assert (cloud.held(), cloud.woken) == (0, 1)
