"""A Volume, the Instances that list it, and their nodes: the operator's real plans, and a node in a few lines.

Every step is one look of one part, so that a test can leave out or repeat any of them: whoever does not look has
ended, or is late.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from orlop_api.assignment import Assignment
from orlop_api.condition import find
from orlop_api.flavor import Flavor
from orlop_api.hypervisor import Hypervisor
from orlop_api.instance import Instance
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeClass
from orlop_operator import kinds
from orlop_operator.placements import Placements
from orlop_operator.reconcile.effects import DropFinalizer, Effect, Patch
from orlop_operator.reconcile.gather import Context, Look, instance_facts
from orlop_operator.reconcile.gather_volume import volume_facts
from orlop_operator.reconcile.instance import assign, attachments
from orlop_operator.reconcile.volume import plan_volume
from orlop_operator.reviews import Reviews
from orlop_operator.store import Key, Store

Body = dict[str, Any]

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ALIVE = [{"type": "Ready", "status": "True", "reason": "AgentAlive"}]


class Attaching:
    """Namespace demo, Volume data; each Instance is bound to the node that it is given."""

    def __init__(self, spec: Body | None = None, **nodes: str) -> None:
        """`nodes`: Instance to node."""
        self.volume: Body | None = {
            "metadata": {
                "name": "data",
                "namespace": "demo",
                "uid": "v",
                "generation": 1,
                "finalizers": ["orlop.dev/operator"],
            },
            "spec": {"size": "1Gi", "className": "c"},
        }
        self.kept_by: Body = {"metadata": {"name": "c", "uid": "c"}, "spec": spec or {"driver": "local"}}
        self.instances: dict[str, Body] = {
            name: {
                "metadata": {"name": name, "namespace": "demo", "uid": f"u-{name}", "generation": 1},
                "spec": {"flavorName": "f", "boot": {"imageRef": {"name": "i"}}, "volumes": []},
            }
            for name in nodes
        }
        pools = [{"name": "nfs", "poolID": "p"}]
        self.hosts: dict[str, Body] = {
            node: {
                "metadata": {"name": node, "uid": f"h-{node}"},
                "spec": {},
                "status": {"conditions": ALIVE, "poolID": f"pool-{node}", "sharedPools": pools},
            }
            for node in sorted(set(nodes.values()))
        }
        self.orders: dict[str, Body] = {
            name: {
                "metadata": {
                    "name": f"u-{name}",
                    "namespace": "orlop-assignments",
                    "uid": f"a-{name}",
                    "generation": 1,
                },
                "spec": {
                    "instance": {"namespace": "demo", "name": name, "uid": f"u-{name}"},
                    "nodeName": node,
                    "poolID": f"pool-{node}",
                    "epoch": 1,
                    "vcpus": 1,
                    "memoryBytes": 1,
                    "rootDiskBytes": 1,
                    "instanceGeneration": 1,
                },
            }
            for name, node in nodes.items()
        }
        self.files: set[str] = set()
        """Nodes that have the data; `*` is what all of them reach."""
        self.domains: set[str] = set()
        """Instances whose domain has the disk."""

    # --- what people see

    def status(self) -> Body:
        assert self.volume is not None
        found: Body = self.volume.get("status", {})
        return found

    def ready(self) -> tuple[str, str]:
        condition = find(Volume.model_validate(self.volume).status.conditions, "Ready")  # type: ignore[union-attr]
        assert condition is not None
        return condition.status, condition.reason

    def message(self, kind: str = "Ready") -> str:
        condition = find(Volume.model_validate(self.volume).status.conditions, kind)  # type: ignore[union-attr]
        assert condition is not None
        return condition.message

    def lists(self, name: str) -> bool:
        """Whether the order has it."""
        return bool(self.orders[name]["spec"].get("volumes"))

    def host(self, name: str) -> Hypervisor:
        """The node's object."""
        return Hypervisor.model_validate(self.hosts[name])

    # --- the user

    def user_lists(self, name: str, **mount: Any) -> None:
        self._mounts(name, [{"name": "data", "volumeRef": {"name": "data"}, **mount}])

    def user_unlists(self, name: str) -> None:
        self._mounts(name, [])

    def user_deletes(self) -> None:
        assert self.volume is not None
        self.volume["metadata"]["deletionTimestamp"] = "2026-05-01T12:00:00Z"

    def _mounts(self, name: str, mounts: list[Body]) -> None:
        instance = deepcopy(self.instances[name])
        instance["spec"]["volumes"] = mounts
        instance["metadata"]["generation"] += 1
        self.instances[name] = instance

    # --- the operator

    def instance_look(self, name: str) -> str | None:
        """The operator looks at an Instance until nothing is left; what keeps the Volume from coming."""
        for _ in range(10):
            facts = instance_facts(self._context(), Key("Instance", "demo", name), Look())
            assert facts is not None
            assert facts.assignment is not None
            if assign.is_newer(facts):
                return "behind"
            coming = attachments.follow(facts, facts.assignment, allowed=True)
            change = assign.changes(facts, None, coming.listed, tuple(facts.assignment.spec.nics))
            effects = [*coming.claims, *attachments.released(facts, facts.assignment)]
            effects += [change] if change is not None else []
            if not effects:
                return coming.blocker.message if coming.blocker is not None else None
            self._apply(effects)
        raise AssertionError("the Instance wants something for ever")

    def volume_look(self) -> None:
        """The operator looks at the Volume until nothing is left."""
        for _ in range(10):
            facts = volume_facts(self._context(), Key("Volume", "demo", "data"), gone=())
            if facts is None:
                return
            plan = plan_volume(facts)
            if not plan.effects:
                return
            self._apply(plan.effects)
        raise AssertionError("the Volume wants something for ever")

    def _context(self) -> Context:
        store = Store(lambda _: None)
        made = [
            (
                kinds.FLAVOR,
                Flavor,
                {
                    "metadata": {"name": "f", "uid": "f"},
                    "spec": {"vcpus": 1, "memory": "64Mi", "rootDisk": "1Gi"},
                },
            )
        ]
        made += [(kinds.VOLUME_CLASS, VolumeClass, self.kept_by)]
        made += [(kinds.VOLUME, Volume, self.volume)] if self.volume is not None else []
        made += [(kinds.INSTANCE, Instance, body) for body in self.instances.values()]
        made += [(kinds.HYPERVISOR, Hypervisor, body) for body in self.hosts.values()]
        made += [(kinds.ASSIGNMENT, Assignment, body) for body in self.orders.values()]
        for kind, model, body in made:
            store.observe(kind, model.model_validate(body))
        context = Context(store, Placements(store), Reviews(lambda: 0.0))
        context.now = lambda: NOW  # type: ignore[method-assign]
        return context

    def _apply(self, effects: Any) -> None:
        for effect in effects:
            self._apply_one(effect)

    def _apply_one(self, effect: Effect) -> None:
        match effect:
            case Patch(seen=Volume(), change=change):
                assert self.volume is not None
                self.volume["status"] = merged(self.volume.get("status", {}), change["status"])
            case Patch(seen=Hypervisor(metadata=meta), change=change):
                host = self.hosts[meta.name]
                host["spec"] = merged(host["spec"], change["spec"])
            case Patch(seen=Assignment(spec=spec), change=change):
                order = deepcopy(self.orders[spec.instance.name])
                order["spec"] = merged(order["spec"], change["spec"])
                order["metadata"]["generation"] += 1
                self.orders[spec.instance.name] = order
            case DropFinalizer():
                self.volume = None
            case _:
                raise AssertionError(effect)

    # --- the nodes

    def node_attaches(self, name: str) -> None:
        """The agent makes the data of what is listed and plugs it in, or takes out what is not; and says nothing."""
        if self.lists(name):
            self.files.add(self._where(self.orders[name]["spec"]["nodeName"]))
            self.domains.add(name)
        else:
            self.domains.discard(name)

    def node_answers(self, name: str) -> None:
        """The agent says how things stand, for the order as it is."""
        order = self.orders[name]
        there = self._where(order["spec"]["nodeName"]) in self.files
        listed = [volume["volumeUID"] for volume in order["spec"].get("volumes", [])]
        order["status"] = {
            "observedGeneration": order["metadata"]["generation"],
            "epoch": 1,
            "state": "Running",
            "createdVolumes": listed if there else [],
            "volumeSizes": [{"volumeUID": uid, "sizeBytes": 1 << 30} for uid in listed],
            "attachedVolumes": [{"volumeUID": "v"}] if name in self.domains else [],
        }

    def node_obeys(self, node: str) -> None:
        """The node carries out what is ordered about data."""
        host, reports = self.hosts[node], []
        for order in host["spec"].get("storage", []):
            report = {"uid": order["uid"], "action": order["action"], "state": "Done"}
            report["generation"] = order.get("generation", 0)
            there = self._where(node) in self.files
            if order["action"] == "Find":
                report |= {"found": "Present", "sizeBytes": 1 << 30} if there else {"found": "Absent"}
            if order["action"] == "Delete":
                self.files.discard(self._where(node))
            reports.append(report)
        host["status"]["storage"] = reports

    def _where(self, node: str) -> str:
        return node if self.kept_by["spec"]["driver"] == "local" else "*"

    def asked(self, node: str) -> list[str]:
        """What the node is ordered to do."""
        return [order["action"] for order in self.hosts[node]["spec"].get("storage", [])]

    def goes_on(self) -> None:
        """All look, until nothing changes any more."""
        for _ in range(6):
            for name in self.instances:
                self.instance_look(name)
                self.node_attaches(name)
                self.node_answers(name)
            self.volume_look()
            for node in self.hosts:
                self.node_obeys(node)


def merged(old: Body, change: Body) -> Body:
    """As a merge patch does it (RFC 7396): null takes away, at every level; lists are written as a whole."""
    made = dict(old)
    for name, value in change.items():
        if value is None:
            made.pop(name, None)
        elif isinstance(value, dict):
            below = old.get(name)
            made[name] = merged(below if isinstance(below, dict) else {}, value)
        else:
            made[name] = value
    return made
