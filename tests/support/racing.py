"""One namespace with a Quota, two operators that know it late, and nodes: real plans, in any order of steps.

An operator's caches follow the one log of changes, each kind at its own pace, and every look is cut into its single
writes, so that anything may happen between two of them. Nothing is locked but by compare-and-swap.
"""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from orlop_operator.kinds import (
    ASSIGNMENT,
    CLAIM,
    FLAVOR,
    HYPERVISOR,
    IMAGE,
    INSTANCE,
    INSTANCE_GROUP,
    NETWORK,
    PORT,
    QUOTA,
    VOLUME,
    VOLUME_CLASS,
    VOLUME_SNAPSHOT,
    Kind,
)
from support import wishes
from support.attaching import merged

Body = dict[str, Any]
Place = tuple[str, str, str]
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
KINDS: dict[str, Kind[Any]] = {
    kind.name: kind
    for kind in (
        FLAVOR, VOLUME_CLASS, IMAGE, QUOTA, HYPERVISOR, NETWORK, CLAIM, PORT, VOLUME, VOLUME_SNAPSHOT,
        ASSIGNMENT, INSTANCE_GROUP, INSTANCE,
    )
}  # fmt: skip
DIGEST = "sha256:" + "0" * 64
IMAGE_STATUS = {
    "digest": DIGEST,
    "format": "qcow2",
    "sizeBytes": 1,
    "virtualSizeBytes": 1,
    "conditions": [{"type": "Ready", "status": "True", "reason": "Imported"}],
}


class World:
    """What etcd has, and everything that was ever written."""

    def __init__(self, limits: Body, stopped: str) -> None:
        self.objects: dict[Place, Body] = {}
        self.log: list[tuple[Place, Body | None, str]] = []
        self._version = 0
        for name, cpus in (("small", 1), ("large", 3)):
            self.create(
                "Flavor", wishes.flavor(name) | {"spec": {"vcpus": cpus, "memory": "1Gi", "rootDisk": "5Gi"}}
            )
        image = self.create("Image", wishes.image("demo"))
        self.write(image, {"status": IMAGE_STATUS}, status=True)
        blue = self.create("Network", wishes.network("demo", "blue"))
        wired = {
            "segmentID": 1,
            "mtu": 1450,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Ready"}],
        }
        self.write(blue, {"status": wired}, status=True)
        spec = {"limits": limits, "stoppedInstances": stopped}
        self.create("Quota", wishes.thing("Quota", "demo", "default", spec, finalizer=False))
        self.limits = limits

    def create(self, kind: str, body: Body) -> Place | None:
        meta = body["metadata"]
        place = (kind, meta.get("namespace", ""), meta["name"])
        if place in self.objects:
            return None
        stamp = {
            "uid": f"uid-{len(self.log)}",
            "generation": 1,
            "creationTimestamp": f"2026-05-01T{self._version:08}",
        }
        self._store(place, deepcopy(body) | {"metadata": meta | stamp})
        return place

    def write(self, place: Place, change: Body, *, seen: Body | None = None, status: bool = False) -> bool:
        """A merge patch; with `seen` a compare-and-swap."""
        old = self.objects.get(place)
        if old is None or (seen is not None and _identity(old) != _identity(seen)):
            return False
        new = merged(
            deepcopy(old), {name: value for name, value in change.items() if (name == "status") == status}
        )
        if new.get("spec") != old.get("spec"):
            new["metadata"] = new["metadata"] | {"generation": old["metadata"]["generation"] + 1}
        if new != old:
            self._store(place, new)
        return True

    def delete(self, place: Place, seen: Body | None = None) -> None:
        old = self.objects.get(place)
        if old is None or (seen is not None and _identity(old) != _identity(seen)):
            return
        if old["metadata"].get("finalizers"):
            self.write(place, {"metadata": {"deletionTimestamp": "2026-05-01T12:00:00Z"}})
            return
        self.objects.pop(place)
        self._version += 1
        self.log.append((place, None, old["metadata"]["uid"]))

    def _store(self, place: Place, body: Body) -> None:
        self._version += 1
        body["metadata"] = body["metadata"] | {"resourceVersion": str(self._version)}
        self.objects[place] = body
        self.log.append((place, body, body["metadata"]["uid"]))

    # --- users and nodes

    def asks(self, name: str, flavor: str) -> None:
        self.create("Instance", wishes.instance("demo", name, flavorName=flavor, networks=[]))

    def plugs(self, name: str, *nics: str) -> None:
        """The NICs that an Instance shall have."""
        networks = [{"name": nic, "networkRef": {"name": "blue"}} for nic in nics]
        self.write(("Instance", "demo", name), {"spec": {"networks": networks}})

    def power(self, name: str, state: str) -> None:
        self.write(("Instance", "demo", name), {"spec": {"powerState": state}})

    def node_obeys(self, place: Place) -> None:
        """One look of the agent at one order, as it is now."""
        order = self.objects[place]
        spec, meta, status = order["spec"], order["metadata"], order.get("status", {})
        if spec.get("nodeName") is None:
            return
        state = {"Running": "Running", "Stopped": "Stopped"}.get(spec["desired"], "Released")
        if (
            spec["desired"] == "Running"
            and status.get("epoch") == spec["epoch"]
            and status["state"] == "Released"
        ):
            return
        answer = {"epoch": spec["epoch"], "state": state, "observedGeneration": meta["generation"]}
        answer["rootDisk"] = "Absent" if state == "Released" else "Created"
        nics = spec.get("nics", []) if state == "Running" else []
        answer["attachedNics"] = [{name: nic[name] for name in ("name", "portName")} for nic in nics]
        self.write(place, {"status": answer}, seen=order, status=True)

    # --- what must hold

    def orders(self) -> list[Place]:
        return [place for place in self.objects if place[0] == "Assignment"]

    def used(self) -> Body:
        """What runs, or may at any moment, whatever anybody believes."""
        used = {"instances": 0, "vcpus": 0, "ports": 0}
        for place in self.orders():
            order = self.objects[place]
            if order["spec"].get("nodeName") is None:
                continue
            used["instances"] += 1
            told = [*order["spec"].get("nics", []), *order.get("status", {}).get("attachedNics", [])]
            used["ports"] += len({nic["portName"] for nic in told})
            state = order.get("status", {})
            quiet = (
                not state
                or state["state"] in {"Stopped", "Released"}
                or state["epoch"] != order["spec"]["epoch"]
            )
            if order["spec"]["desired"] == "Running" or not quiet:
                used["vcpus"] += order["spec"]["vcpus"]
        return used

    def reserved(self) -> Body:
        found: Body = self.objects["Quota", "demo", "default"].get("status", {}).get("used", {})
        return found

    def running(self) -> set[str]:
        orders = (self.objects[place] for place in self.orders())
        return {
            o["spec"]["instance"]["name"] for o in orders if o.get("status", {}).get("state") == "Running"
        }


def _identity(body: Body) -> tuple[str, str]:
    return body["metadata"]["uid"], body["metadata"]["resourceVersion"]
