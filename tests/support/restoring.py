"""A Volume that is put back while Instances come and go, with two operators that are late and nodes that end.

Every object has a resourceVersion, and each operator a copy of every object that may be as old as can be: a write
counts only against what it was planned from. What a node is told it does when it likes, and as often as it likes.
"""

from __future__ import annotations

import copy
import random
from typing import Any

from orlop_api.assignment import Assignment
from orlop_api.hypervisor import Hypervisor
from orlop_api.instance import Instance
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeClass
from orlop_operator import kinds
from orlop_operator.placements import Placements
from orlop_operator.reconcile.effects import DropFinalizer, Patch
from orlop_operator.reconcile.gather import Context, Look, instance_facts
from orlop_operator.reconcile.gather_volume import volume_facts
from orlop_operator.reconcile.instance import assign, attachments
from orlop_operator.reconcile.volume import plan_volume
from orlop_operator.reviews import Reviews
from orlop_operator.store import Key, Store
from support.attaching import NOW, Attaching, Body, merged

KEPT = "as it was kept"
MODELS = {
    "volume": (kinds.VOLUME, Volume),
    "class": (kinds.VOLUME_CLASS, VolumeClass),
    "snapshot": (kinds.VOLUME_SNAPSHOT, VolumeSnapshot),
    "instance": (kinds.INSTANCE, Instance),
    "host": (kinds.HYPERVISOR, Hypervisor),
    "order": (kinds.ASSIGNMENT, Assignment),
}


class Restoring:
    """Volume data, with data; VolumeSnapshot moment of it; Instances web on n1 and other on n1 or n2."""

    def __init__(self, *, shared: bool) -> None:
        start = Attaching(
            {"driver": "shared", "shared": {"pool": "nfs"}} if shared else None,
            web="n1",
            other="n2" if shared else "n1",
        )
        location: Body = {"shared": {"pool": "nfs", "poolID": "p"}} if shared else {"local": {}}
        ready = [{"type": "Ready", "status": "True", "reason": "Created"}]
        assert start.volume is not None
        start.volume["status"] = {"location": location, "conditions": ready, "capacityBytes": 1 << 30}
        if not shared:
            start.volume["status"] |= {"nodeName": "n1", "poolID": "pool-n1"}
        snapshot = {
            "metadata": {"name": "moment", "namespace": "demo", "uid": "s"},
            "spec": {"volumeRef": {"name": "data"}},
            "status": {"volumeUID": "v", "location": location, "sizeBytes": 1 << 30, "conditions": ready},
        }
        self.shared = shared
        self.things: dict[tuple[str, str], Body] = {
            ("volume", "data"): start.volume,
            ("class", "c"): start.kept_by,
            ("snapshot", "moment"): snapshot,
            **{("instance", name): body for name, body in start.instances.items()},
            **{("host", name): body for name, body in start.hosts.items()},
            **{("order", name): body for name, body in start.orders.items()},
        }
        for body in self.things.values():
            body["metadata"]["resourceVersion"] = "1"
        self.caches = [copy.deepcopy(self.things) for _ in range(2)]
        self.files: dict[int, str] = {0: "at first"}
        """Generation to content: one place, that of the node or the pool."""
        self.domains: dict[str, int] = {}
        """Instance to the generation that its domain has open."""
        self.expected = "at first"
        self.let_go = False
        """Whether the Volume's object is gone."""
        self.writes = 0
        self.asked = 0

    # --- the store

    @property
    def volume(self) -> Body:
        return self.things["volume", "data"]

    def _write(self, key: tuple[str, str], **parts: Any) -> None:
        body = self.things[key]
        if body | parts == body:
            return
        body |= parts
        body["metadata"]["resourceVersion"] = str(int(body["metadata"]["resourceVersion"]) + 1)

    # --- the user

    def user_lists(self, name: str, *, listed: bool) -> None:
        body = self.things["instance", name]
        mounts = [{"name": "data", "volumeRef": {"name": "data"}}] if listed else []
        if body["spec"]["volumes"] != mounts:
            body["metadata"]["generation"] += 1
            self._write(("instance", name), spec=body["spec"] | {"volumes": mounts})

    def user_restores(self, *, give_up: bool = False, again: bool = True) -> None:
        """`again`: with a requestedAt of its own."""
        spec = {name: value for name, value in self.volume["spec"].items() if name != "restore"}
        if not give_up:
            self.asked += 1
            spec["restore"] = {"snapshotRef": {"name": "moment"}}
            spec["restore"] |= {"requestedAt": str(self.asked)} if again else {}
        self._write(("volume", "data"), spec=spec)

    # --- the operators

    def hears(self, operator: int, key: tuple[str, str]) -> None:
        self.caches[operator][key] = copy.deepcopy(self.things[key])

    def looks(self, operator: int, name: str | None) -> bool:
        """One plan, for the Volume (None) or an Instance, and its effects; whether there were any."""
        context = self._context(self.caches[operator])
        if name is None:
            facts = volume_facts(context, Key("Volume", "demo", "data"), gone=())
            assert facts is not None
            effects = plan_volume(facts).effects
        else:
            known = instance_facts(context, Key("Instance", "demo", name), Look())
            assert known is not None
            assert known.assignment is not None
            if assign.is_newer(known):
                self.hears(operator, ("instance", name))
                return True
            coming = attachments.follow(known, known.assignment, allowed=True)
            change = assign.changes(known, None, coming.listed, tuple(known.assignment.spec.nics))
            effects = (*coming.claims, *attachments.released(known, known.assignment))
            effects += (change,) if change is not None else ()
        for effect in effects:
            if isinstance(effect, DropFinalizer):
                self.let_go = True
                return False
            assert isinstance(effect, Patch)
            self._patch(operator, effect)
        return bool(effects)

    def _patch(self, operator: int, patch: Patch[Any]) -> None:
        seen = patch.seen.metadata
        kind = next(name for name, (_, model) in MODELS.items() if isinstance(patch.seen, model))
        name = patch.seen.spec.instance.name if kind == "order" else seen.name
        body = self.things[kind, name]
        if seen.resource_version == body["metadata"]["resourceVersion"]:
            if "status" in patch.change:
                before = body.get("status", {})
                after = merged(before, patch.change["status"])
                if after.get("restored") != before.get("restored"):
                    self.expected = KEPT
                    assert not self.domains, "nobody has it when it is put back"
                self._write((kind, name), status=after)
            else:
                body["metadata"]["generation"] = body["metadata"].get("generation", 1) + 1
                self._write((kind, name), spec=merged(body["spec"], patch.change["spec"]))
        self.hears(operator, (kind, name))

    def _context(self, cache: dict[tuple[str, str], Body]) -> Context:
        store = Store(lambda _: None)
        for (name, _), body in cache.items():
            kind, model = MODELS[name]
            store.observe(kind, model.model_validate(body))
        context = Context(store, Placements(store), Reviews(lambda: 0.0))
        context.now = lambda: NOW  # type: ignore[method-assign]
        return context

    # --- the nodes

    def node_follows(self, name: str) -> None:
        """The agent plugs in what its order lists, or takes out what it does not; the guest writes; it answers."""
        order = self.things["order", name]
        listed = order["spec"].get("volumes", [])
        if listed:
            generation = listed[0]["location"].get("generation", 0)
            assert generation in self.files, "what an order lists is there"
            assert self.domains.keys() <= {name}, "no two guests have it"
            assert self.files[generation] == self.expected, "nobody's data is lost, nor comes back"
            self.writes += 1
            self.files[generation] = self.expected = f"write {self.writes}"
            self.domains[name] = generation
        else:
            self.domains.pop(name, None)
        status = {
            "observedGeneration": order["metadata"]["generation"],
            "epoch": 1,
            "state": "Running",
            "createdVolumes": [volume["volumeUID"] for volume in listed],
            "volumeSizes": [{"volumeUID": volume["volumeUID"], "sizeBytes": 1 << 30} for volume in listed],
            "attachedVolumes": [{"volumeUID": "v"}] if name in self.domains else [],
        }
        self._write(("order", name), status=status)

    def node_obeys(self, node: str, *, says: bool = True) -> None:
        """The node carries out what is ordered, and says so, unless it ends before that."""
        host, reports = self.things["host", node], []
        for order in host["spec"].get("storage", []):
            generation = order["location"].get("generation", 0)
            assert order.get("generation", 0) == generation
            if order["action"] == "Restore":
                assert order["origin"]["volumeUID"] == "s"
                self.files.setdefault(generation, KEPT)  # link(2): what is there stays
            else:
                assert order["action"] == "Discard"
                assert generation not in self.domains.values(), "nobody loses what a guest has"
                assert generation != self.volume["status"]["location"].get("generation", 0)
                self.files.pop(generation, None)
            reports.append(
                {key: order[key] for key in ("uid", "action")}
                | {"generation": generation, "state": "Done", "sizeBytes": 1 << 30}
            )
        if says:
            self._write(("host", node), status=host["status"] | {"storage": reports})

    # --- all of it

    def at_random(self, dice: random.Random) -> None:
        """One step of somebody."""
        names, nodes = ("web", "other"), [name for kind, name in self.things if kind == "host"]
        operator = dice.randrange(2)
        match dice.randrange(12):
            case 0:
                self.user_lists(dice.choice(names), listed=dice.random() < 0.5)
            case 1:
                self.user_restores(give_up=dice.random() < 0.3, again=dice.random() < 0.6)
            case 2 | 3 | 4 | 5:
                self.hears(operator, dice.choice(list(self.things)))
            case 6 | 7:
                self.looks(operator, None)
            case 8 | 9:
                self.looks(operator, dice.choice(names))
            case 10:
                self.node_follows(dice.choice(names))
            case _:
                self.node_obeys(dice.choice(nodes), says=dice.random() < 0.7)
        assert self.volume["status"]["location"].get("generation", 0) in self.files

    def settles(self) -> None:
        """All hear all, and act until nothing changes any more."""
        for _ in range(40):
            before = copy.deepcopy(self.things)
            for name in ("web", "other"):
                for key in self.things:
                    self.hears(0, key)
                while self.looks(0, name):
                    pass
                self.node_follows(name)
            for key in self.things:
                self.hears(0, key)
            while self.looks(0, None):
                pass
            for kind, node in list(self.things):
                if kind == "host" and self.things[kind, node]["spec"].get("storage"):
                    self.node_obeys(node)
            if before == self.things and not self.domains:
                return
        raise AssertionError("it does not settle")
