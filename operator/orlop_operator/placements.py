"""The scheduler's World, kept up with the store, and what was chosen but is not written yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np

from orlop_api.aggregate import Aggregate
from orlop_api.assignment import Assignment, State
from orlop_api.hypervisor import Hypervisor
from orlop_api.quota import NAME, Quota
from orlop_api.volume import Volume
from orlop_operator.aggregate_wakes import is_other
from orlop_operator.kinds import HYPERVISOR, NODE, QUOTA, VOLUME, Node, Object
from orlop_operator.protocol import answer
from orlop_operator.reconcile.hypervisor import wanted
from orlop_operator.reconcile.volume_room import granted, volume_hold
from orlop_operator.scheduling import (
    ONLY_BUILT_IN,
    Placement,
    Request,
    Taint,
    Unplaceable,
    Usage,
    World,
    assignment_hold,
    assignment_work,
    domain_of,
    host_from,
    hypervisor_work,
    place,
)
from orlop_operator.store import Change, Store


class Placements:
    """Where there is room. Between a choice and its write nobody else is given the same room."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._world = World()
        self.profiles = ONLY_BUILT_IN
        self._tentative: dict[str, tuple[str, Usage]] = {}

    @property
    def world(self) -> World:
        """For who looks at all of it; whoever chooses tells by `hold`."""
        return self._world

    def choose(self, request: Request) -> Placement | Unplaceable:
        """The scheduler's answer, for the World as it is."""
        profile = self.profiles.get(request.profile)
        if profile is None:
            there = ", ".join(sorted(self.profiles.by_name))
            message = f"there is no scheduler profile {request.profile}: allowed are {there}"
            return Unplaceable(message, reason="ProfileNotFound")
        return place(request, self._world, profile)

    def others(self, uids: Iterable[str]) -> Counter[str]:
        """How many of these Instances each node has, or was just chosen for."""
        nodes = (self._world.node_of(uid) for uid in uids)
        return Counter(node for node in nodes if node is not None)

    def domain(self, node: str, key: str) -> str | None:
        """The domain that a node is in, by a label."""
        row = self._world.row(node)
        return domain_of(self._world.hosts[row], key) if row is not None else None

    def having(self, digest: str) -> list[str]:
        """Names of Ready nodes that have this in their image cache, sorted."""
        world = self._world
        rows = np.flatnonzero(
            world.where(("image", digest), lambda host: digest in host.images) & world.ready
        )
        return [world.hosts[row].name for row in rows]

    def hold(self, instance_uid: str, node: str, request: Request) -> None:
        """Count the choice until `settle`."""
        self._tentative[instance_uid] = node, request.usage_on(node)
        self._world.hold(instance_uid, node, request.usage_on(node))
        self._world.occupy(instance_uid, node)

    def settle(self, instance_uid: str) -> None:
        """From here on only what the Assignment says counts."""
        if self._tentative.pop(instance_uid, None) is not None:
            self._follow(instance_uid)

    def take_over(self, change: Change) -> bool:
        """Follow a change of the store; whether it may have made room."""
        match change.new or change.old:
            case Hypervisor() | Node():
                return self._host(change.key.name)
            case Assignment():
                uid = change.key.name
                before = self._held(change.old)
                self._world.blame(uid, _failed_on(change.new))
                if uid not in self._tentative:
                    self._follow(uid)
                return before is not None and before != self._held(change.new)
            case Volume() as volume:
                return (
                    self._volume(volume) if change.new is not None else self._set(volume.metadata.uid, None)
                )
            case Quota() as quota:
                return self._granted(change, quota.metadata.namespace)
            case Aggregate():
                # Who waits may name it, or is of a Flavor that does.
                return is_other(change)
            case _:
                return False

    def _host(self, name: str) -> bool:
        hypervisor, node = self._store.get(HYPERVISOR, "", name), self._store.get(NODE, "", name)
        if hypervisor is None:
            self._world.remove(name)
            self._world.occupy(_orders(name), None)
            return False
        self._world.occupy(_orders(name), name, hypervisor_work(hypervisor))
        before = self._world.row(name)
        old = self._world.hosts[before] if before is not None else None
        taints = node.spec.taints if node is not None else []
        host = host_from(
            hypervisor,
            labels=node.metadata.labels if node is not None else {},
            taints=tuple(Taint(t.key, t.effect, t.value) for t in taints),
            cordoned=not wanted(node) or (node is not None and node.spec.unschedulable),
        )
        self._world.put(host)
        return host.ready and host != old

    def _volume(self, volume: Volume) -> bool:
        quota = self._store.get(QUOTA, volume.metadata.namespace, NAME)
        return self._set(volume.metadata.uid, volume_hold(volume, granted(volume, quota)))

    def _granted(self, change: Change, namespace: str) -> bool:
        """Volumes may be as large as the Quota says, and as they like where there is none any more."""
        before, after = (each.holds if isinstance(each, Quota) else {} for each in (change.old, change.new))
        if change.old is None or change.new is None:
            volumes = list(self._store.within(VOLUME, namespace))
        else:
            changed = (uid for uid in before.keys() | after.keys() if before.get(uid) != after.get(uid))
            keys = [key for uid in changed if (key := self._store.by_uid(uid)) is not None]
            found = (self._store.get(VOLUME, *key[1:]) for key in keys if key.kind == VOLUME.name)
            volumes = [volume for volume in found if volume is not None]
        # Each of them, also when one has made room already.
        return sum(self._volume(volume) for volume in volumes) > 0

    def _follow(self, instance_uid: str) -> None:
        found = self._store.assignment_of(instance_uid)
        self._set(instance_uid, assignment_hold(found) if found is not None else None)
        self._world.occupy(instance_uid, assignment_work(found) if found is not None else None)

    def _set(self, uid: str, hold: tuple[str, Usage] | None) -> bool:
        """Whether it held something else."""
        before = self._world.held_by(uid)
        if hold is None:
            self._world.drop(uid)
        else:
            self._world.hold(uid, *hold)
        return before is not None and before != hold

    @staticmethod
    def _held(thing: Object | None) -> tuple[str, Usage] | None:
        return assignment_hold(thing) if isinstance(thing, Assignment) else None


def _orders(name: str) -> str:
    """Stands for what a node does beside its Instances; no uid is like it."""
    return f"orders of {name}"


def _failed_on(thing: Object | None) -> str | None:
    """The node where the Instance is, and does not run because something went wrong."""
    if not isinstance(thing, Assignment):
        return None
    status = answer(thing)
    return thing.spec.node_name if status is not None and status.state is State.FAILED else None
