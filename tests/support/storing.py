"""A node that serves Volumes, in the world of two operators: it obeys orders as they are, and says so when it likes."""

from __future__ import annotations

from orlop_api.quantity import to_bytes
from support import wishes
from support.racing import Body, World

NODE = ("Hypervisor", "", "n1")
READY = [{"type": "Ready", "status": "True", "reason": "Ready"}]


class Storage(World):
    """A namespace with a Quota, and a node that makes, grows, copies and deletes."""

    def __init__(self, limits: Body) -> None:
        super().__init__(limits, "Counted")
        self.data: dict[str, int] = {}
        """Bytes by uid, of Volumes and of VolumeSnapshots."""
        spec = {"driver": "iscsi", "iscsi": {"host": "h", "tgt": {"hypervisorName": "n1"}}}
        self.create("VolumeClass", wishes.thing("VolumeClass", "", "served", spec, finalizer=False))
        self.create("Hypervisor", wishes.thing("Hypervisor", "", "n1", {}, finalizer=False))
        self.write(NODE, {"status": {"poolID": "p", "conditions": READY}}, status=True)

    def volume(self, name: str, size: str) -> None:
        self.create("Volume", wishes.volume("demo", name, size=size, className="served"))

    def grow(self, name: str, size: str) -> None:
        there = self.objects.get(("Volume", "demo", name))
        if there is not None and to_bytes(there["spec"]["size"]) < to_bytes(size):
            self.write(("Volume", "demo", name), {"spec": {"size": size}})

    def snapshot(self, name: str, of: str) -> None:
        self.create("VolumeSnapshot", wishes.snapshot("demo", name, of))

    def node_stores(self) -> None:
        """One look of the agent at all orders."""
        host = self.objects[NODE]
        done = [self._obeyed(order) for order in host["spec"].get("storage", [])]
        self.write(NODE, {"status": {"storage": [report for report in done if report]}}, status=True)

    def _obeyed(self, order: Body) -> Body | None:
        uid, action, size = order["uid"], order["action"], order.get("sizeBytes", 0)
        report = {"uid": uid, "action": action, "generation": order.get("generation", 0), "state": "Done"}
        match action:
            case "Create" | "Expand":
                self.data[uid] = max(self.data.get(uid, 0), size)
            case "Snapshot" if order["volumeUID"] in self.data:
                self.data.setdefault(uid, self.data[order["volumeUID"]])
                report |= {"consistency": "Detached", "takenAt": "2026-05-01T12:00:00Z"}
            case "Delete":
                self.data.pop(uid, None)
                return report
            case "Snapshot":
                return report | {"state": "Failed", "reason": "VolumeNotFound", "message": "it has no data"}
            case _:
                return None
        return report | {"sizeBytes": self.data[uid]}

    def there(self, kind: str) -> dict[str, Body]:
        """Objects by name."""
        return {place[2]: body for place, body in self.objects.items() if place[0] == kind}

    def kept(self) -> Body:
        """What the data of objects that are there amounts to, whatever anybody believes."""
        found = {"storage": 0}
        for kind, resource in (("Volume", "volumes"), ("VolumeSnapshot", "volumeSnapshots")):
            sizes = [self.data.get(body["metadata"]["uid"]) for body in self.there(kind).values()]
            made = [size for size in sizes if size is not None]
            found[resource] = len(made)
            found["storage"] += sum(made)
        return found
