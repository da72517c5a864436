"""The state of the attach model's world, small enough to be hashed, and the objects that it stands for."""

from functools import cache
from typing import NamedTuple

from orlop_api.assignment import Assignment
from orlop_api.hypervisor import Hypervisor
from orlop_api.instance import Instance
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeClass

LOCATION = {"shared": {"pool": "nfs", "poolID": "p", "format": "raw"}}


class Claim(NamedTuple):
    """An attachment: whose, and for which generation of that Instance."""

    who: int
    generation: int


class Disk(NamedTuple):
    """The Volume."""

    claims: tuple[Claim, ...] = ()
    located: bool = False
    created: bool = False
    found: bool | None = None
    """What the node that was asked said of the data, since the last attachment."""


class Order(NamedTuple):
    """The Assignment: its own generation, the Instance's that it follows, and the node's answer."""

    version: int = 1
    follows: int = 1
    lists: bool = False
    answered: int = 0
    """The version that the answer is for."""
    attached: bool = False
    said_created: bool = False


class Agent(NamedTuple):
    """What it saw last, and whether its guest has the disk."""

    version: int = 1
    lists: bool = False
    has: bool = False


class World(NamedTuple):
    """Everything; the Instance's generation says what it lists: even ones list the Volume."""

    disk: Disk = Disk()
    wishes: tuple[int, int] = (1, 1)
    orders: tuple[Order, Order] = (Order(), Order())
    agents: tuple[Agent, Agent] = (Agent(), Agent())
    file: bool = False
    late: tuple[int, Order] | Disk | None = None
    """What some operator takes for the present: an Instance's order, or the Volume, as it was once."""


def lists(generation: int) -> bool:
    return generation % 2 == 0


@cache
def volume(disk: Disk, several: bool) -> Volume:
    held = [
        {
            "instanceName": f"i{who}",
            "instanceUID": f"i{who}",
            "nodeName": f"n{who}",
            "instanceGeneration": known,
        }
        for who, known in disk.claims
    ]
    ready = {"type": "Ready", "status": "True" if disk.created else "False", "reason": "Any"}
    status = {"attachments": held, "conditions": [ready]}
    if disk.located:
        status |= {"location": LOCATION, "multiAttach": "Enabled" if several else "Disabled"}
    meta = {"name": "data", "namespace": "demo", "uid": "v", "generation": 1}
    return Volume.model_validate(
        {"metadata": meta, "spec": {"size": "1Gi", "className": "c"}, "status": status}
    )


@cache
def assignment(who: int, order: Order) -> Assignment:
    listed = {"name": "d", "volumeUID": "v", "location": LOCATION, "sizeBytes": 1 << 30}
    status = {
        "observedGeneration": order.answered,
        "epoch": 1,
        "state": "Running",
        "createdVolumes": ["v"] if order.said_created else [],
        "attachedVolumes": [{"volumeUID": "v"}] if order.attached else [],
    }
    spec = {
        "instance": {"namespace": "demo", "name": f"i{who}", "uid": f"i{who}"},
        "nodeName": f"n{who}",
        "epoch": 1,
        "vcpus": 1,
        "memoryBytes": 1,
        "rootDiskBytes": 1,
        "volumes": [listed] if order.lists else [],
        "instanceGeneration": order.follows,
    }
    meta = {"name": f"i{who}", "uid": f"a{who}", "generation": order.version}
    body = {"metadata": meta, "spec": spec} | ({"status": status} if order.answered else {})
    return Assignment.model_validate(body)


@cache
def instance(who: int, generation: int) -> Instance:
    mounts = [{"name": "d", "volumeRef": {"name": "data"}}] if lists(generation) else []
    meta = {"name": f"i{who}", "namespace": "demo", "uid": f"i{who}", "generation": generation}
    spec = {"flavorName": "f", "boot": {"imageRef": {"name": "i"}}, "volumes": mounts}
    return Instance.model_validate({"metadata": meta, "spec": spec})


@cache
def host(who: int) -> Hypervisor:
    pools = [{"name": "nfs", "poolID": "p"}]
    return Hypervisor.model_validate({"metadata": {"name": f"n{who}"}, "status": {"sharedPools": pools}})


@cache
def kept_by(several: bool) -> VolumeClass:
    spec = {"driver": "shared", "shared": {"pool": "nfs", "format": "raw"}}
    return VolumeClass.model_validate(
        {"metadata": {"name": "c"}, "spec": spec | {"multiAttach": "Enabled" if several else "Disabled"}}
    )
