"""A world of two nodes, a Volume, an Instance and an Image of one of them, moved as the operator and a node would."""

from datetime import UTC, datetime

from orlop_api.assignment import Assignment
from orlop_api.condition import find
from orlop_api.hypervisor import Hypervisor
from orlop_api.image import Image
from orlop_api.instance import Instance
from orlop_api.requester import Requester
from orlop_api.volume import Volume
from orlop_operator.reconcile.effects import Ask, Patch, Question, Report
from orlop_operator.reconcile.image import ImageFacts, ImagePlan, plan_image
from orlop_operator.reconcile.imports import Logins
from orlop_operator.reconcile.prepull import Nodes
from orlop_operator.reconcile.publish import Holdings

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LOCAL = {"local": {"format": "qcow2"}}
SHARED = {"shared": {"pool": "nfs", "poolID": "p"}}
EXPORT = {"nbd": {"host": "192.0.2.1", "port": 10809, "export": "v"}}
DIGEST = f"sha256:{7:064x}"
UID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
ERIN = Requester("erin", "", ("system:authenticated",))
DELETED = "2026-05-01T11:00:00Z"


class World:
    """Two nodes, a Volume with data on n1, an Instance that stopped on n2, and an Image of one of them."""

    def __init__(self, *, location: dict = LOCAL, of: str = "volume", **spec: object) -> None:
        ref = {"volumeRef": {"name": "data"}} if of == "volume" else {"instanceRef": {"name": "web"}}
        self.image: dict = {
            "metadata": {
                "name": "golden",
                "namespace": "demo",
                "uid": "u",
                "generation": 1,
                "annotations": ERIN.annotations(),
            },
            "spec": {"source": ref, **spec},
        }
        made = [{"type": "Ready", "status": "True", "reason": "Created"}]
        self.volume: dict | None = {
            "metadata": {"name": "data", "namespace": "demo", "uid": "v"},
            "spec": {"size": "1Gi", "className": "c"},
            "status": {"location": location, "conditions": made, "nodeName": "n1"},
        }
        self.instance: dict | None = {
            "metadata": {"name": "web", "namespace": "demo", "uid": UID},
            "spec": {"flavorName": "small", "boot": {"imageRef": {"name": "tiny"}}, "networks": []},
        }
        self.assignment: dict = {
            "metadata": {"name": UID, "uid": "a", "generation": 3},
            "spec": {
                "instance": {"namespace": "demo", "name": "web", "uid": UID},
                "nodeName": "n2",
                "epoch": 1,
                "desired": "Stopped",
                "vcpus": 1,
                "memoryBytes": 1,
                "rootDiskBytes": 1,
            },
            "status": {"epoch": 1, "state": "Stopped", "rootDisk": "Created", "observedGeneration": 3},
        }
        self.now, self.failed_for = NOW, 0.0
        """Seconds since the last failure."""
        self.answers: dict[Question, bool] = {}
        self.may = True
        """What the authorizer says of Erin."""
        pools = [{"name": "nfs", "poolID": "p"}]
        offer = {"port": 9444, "certificateRequest": "-----BEGIN CERTIFICATE REQUEST-----"}
        self.hosts: dict[str, dict] = {
            name: {
                "metadata": {"name": name},
                "spec": {},
                "status": {"sharedPools": pools, "imagePeer": offer, "hostAddress": "192.0.2.1"},
            }
            for name in ("n1", "n2")
        }
        for name in self.hosts:
            self.alive(name)

    def alive(self, name: str, status: str = "True") -> None:
        ready = {"type": "Ready", "status": status, "reason": "AgentAlive"}
        self.hosts[name]["status"]["conditions"] = [ready]

    def attach(self, node: str) -> None:
        held = {"instanceName": "web", "instanceUID": "i", "nodeName": node}
        self.volume["status"]["attachments"] = [held]

    def look(self) -> ImagePlan:
        """Plan and act until nothing is left. One write of a node at a time, as compare-and-swap has it."""
        for _ in range(20):
            hosts = tuple(Hypervisor.model_validate(host) for host in self.hosts.values())
            held = Holdings(
                Volume.model_validate(self.volume) if self.volume else None,
                Instance.model_validate(self.instance) if self.instance else None,
                Assignment.model_validate(self.assignment),
            )
            plan = plan_image(
                ImageFacts(
                    Image.model_validate(self.image),
                    self.now,
                    hosts,
                    Nodes(hosts, {host.metadata.name: {} for host in hosts}),
                    {order.get("generation", 0): self.failed_for for order in self.ordered().values()},
                    logins=Logins(answers=self.answers),
                    origin=held,
                )
            )
            written = set()
            for effect in plan.effects:
                if isinstance(effect, Patch):
                    name = effect.seen.metadata.name
                    if name not in written:
                        self.hosts[name]["spec"] |= effect.change["spec"]
                    written.add(name)
                elif isinstance(effect, Report):
                    self.image["status"] = effect.status
                elif isinstance(effect, Ask):
                    self.answers[effect.question] = self.may
            if not plan.effects:
                return plan
        raise AssertionError("it does not settle")

    def answer(self, state: str = "Ready", **fields: object) -> None:
        """The node with the order does what it is asked."""
        good = {"digest": DIGEST, "format": "qcow2", "sizeBytes": 9, "virtualSizeBytes": 512}
        for host in self.hosts.values():
            host["status"]["imports"] = [
                {"imageUID": "u", "generation": order.get("generation", 0), "state": state}
                | (good if state == "Ready" else {})
                | fields
                for order in host["spec"].get("imports", [])
            ]
        self.look()

    def pulled(self, state: str = "Ready", **fields: object) -> None:
        """Nodes have, or fail to have, what they are to keep."""
        for host in self.hosts.values():
            host["status"]["prePulls"] = [
                {"imageUID": "u", "digest": DIGEST, "state": state, **fields}
                for _ in host["spec"].get("prePulls", [])
            ]
        self.look()

    def ordered(self, what: str = "imports") -> dict[str, dict]:
        return {name: host["spec"][what][0] for name, host in self.hosts.items() if host["spec"].get(what)}

    @property
    def status(self):
        return Image.model_validate(self.image).status

    def says(self, kind: str = "Ready") -> tuple[str, str, str] | None:
        found = find(self.status.conditions, kind)
        return (found.status.value, found.reason, found.message) if found else None


def published(**more: object) -> World:
    world = World(**more)
    world.look()
    world.answer()
    world.pulled()
    return world
