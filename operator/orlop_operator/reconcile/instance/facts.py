"""All that is known when an Instance is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orlop_api.aggregate import Aggregate
from orlop_api.assignment import Assignment
from orlop_api.bandwidth import PortQos
from orlop_api.claim import Claim
from orlop_api.condition import Condition
from orlop_api.flavor import Flavor
from orlop_api.hypervisor import Hypervisor
from orlop_api.image import Image
from orlop_api.instance import Instance, VolumeMount
from orlop_api.instance_group import InstanceGroup
from orlop_api.keypair import KeyPair
from orlop_api.network import Network
from orlop_api.nic import NetworkInterface
from orlop_api.peer import ImagePeer
from orlop_api.quota import Quota
from orlop_api.resource import LocalRef
from orlop_api.security_group import SecurityGroup
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeClass
from orlop_operator.kinds import OwnedPort
from orlop_operator.reconcile.counting import UNLIMITED, Standing
from orlop_operator.reconcile.effects import Question
from orlop_operator.scheduling import Placement, Request, Unplaceable


@dataclass(frozen=True)
class NicFacts:
    """One entry of spec.networks with what it names."""

    nic: NetworkInterface
    port: OwnedPort | None = None
    """The Port that it refers to, or the one that Orlop makes for it."""
    network: Network | None = None
    claims: Mapping[str, Claim] = field(default_factory=dict)
    """All Claims of that Network."""
    holder: str = ""
    """Name of the Instance that the Port is bound to, where that is another one."""
    groups: Mapping[str, SecurityGroup] = field(default_factory=dict)
    """The SecurityGroups that it lists, or `default` where it lists none; those that exist."""

    @property
    def group_refs(self) -> Sequence[LocalRef]:
        """The SecurityGroups that it lists; a Port has its own."""
        if self.nic.port_ref is None:
            return self.nic.security_group_refs
        return self.port.spec.security_group_refs if self.port is not None else ()

    @property
    def qos(self) -> PortQos | None:
        """Its limits; a Port has its own."""
        if self.nic.port_ref is None:
            return self.nic.qos
        return self.port.spec.qos if self.port is not None else None


@dataclass(frozen=True)
class DiskFacts:
    """The Volume of spec.boot or one entry of spec.volumes, with what it names."""

    mount: VolumeMount
    volume: Volume | None = None
    volume_class: VolumeClass | None = None
    image: Image | None = None
    """What the Volume begins as, where that is an Image."""
    snapshot: VolumeSnapshot | None = None
    origin: Volume | None = None
    """What it begins as, where that is another Volume."""
    standing: Standing = UNLIMITED
    """Of the Volume with its Quota."""


@dataclass(frozen=True)
class Blocker:
    """What keeps a phase from going on, for the condition."""

    reason: str
    message: str


@dataclass(frozen=True)
class Facts:
    """The Instance and everything that it depends on, as the store has it."""

    instance: Instance
    now: datetime
    assignment: Assignment | None = None
    assignment_is_fresh: bool = False
    """It (or that there is none) was read from the API server in this look."""
    flavor: Flavor | None = None
    image: Image | None = None
    nics: tuple[NicFacts, ...] = ()
    disks: tuple[DiskFacts, ...] = ()
    """All Volumes; the one of spec.boot is the first."""
    key_pairs: Mapping[str, KeyPair] = field(default_factory=dict)
    """Those of spec.keyPairRefs that exist, by name."""
    answers: Mapping[Question, bool] = field(default_factory=dict)
    """What the authorizer said lately."""
    secrets: Mapping[tuple[str, str], Blocker | None] = field(default_factory=dict)
    """Namespace and name of a node's Secret, and why it could not be put there; None where it was."""
    excluded: Mapping[str, str] = field(default_factory=dict)
    """Nodes that refused this Instance lately, and why."""
    failed: frozenset[str] = frozenset()
    """Nodes that refused it some time, and may be asked again."""
    chosen: str | None = None
    """The node that an earlier pass of this look chose."""
    claimed: frozenset[str] = frozenset()
    """Claim names that somebody is just creating."""
    held: Mapping[str, Claim] = field(default_factory=dict)
    """Claims that the Instance holds."""
    quota: Quota | None = None
    """Of its namespace."""
    over_quota: str = ""
    """What the last look at that said of it: what is used, asked and allowed. Empty where it said nothing."""
    networks: Mapping[str, Network] = field(default_factory=dict)
    """By uid those that these Claims are of."""
    group: InstanceGroup | None = None
    """The one that it names, where that exists."""
    order_of: Callable[[str], Assignment | None] = lambda _: None
    """The Assignment of another Instance of the group, by that one's uid."""
    companions: Callable[[], Mapping[str, int]] = dict
    """Node to how many others of the group are there, or are just going there; they are counted when it is placed."""
    made_ports: tuple[OwnedPort, ...] = ()
    """Ports that Orlop made for the Instance."""
    used_volumes: tuple[Volume, ...] = ()
    """Volumes that are attached to the Instance."""
    bound_ports: tuple[OwnedPort, ...] = ()
    """Ports of users that are bound to the Instance."""
    copied_by: str = ""
    """Who reads its root disk before it goes: `Image demo/golden`; empty where nobody does."""
    place: Callable[[Request], Placement | Unplaceable] = lambda _: Unplaceable("no hypervisor")
    domain: Callable[[str, str], str | None] = lambda *_: None
    """The domain that a node is in, by a label."""
    hypervisor: Callable[[str], Hypervisor | None] = lambda _: None
    aggregate: Callable[[str], Aggregate | None] = lambda _: None
    peers: Callable[[str, str], tuple[ImagePeer, ...]] = lambda *_: ()
    """Nodes that an image, by its digest, can be had from, for a node."""
    cached: Callable[[str], bool] = lambda _: True
    """Whether a Ready node has an image, by its digest."""

    @property
    def boot_disk(self) -> DiskFacts | None:
        """The Volume that the Instance boots from."""
        return self.disks[0] if self.instance.spec.boot.volume_ref is not None else None

    @property
    def node(self) -> Hypervisor | None:
        """The Hypervisor that the Instance is bound to."""
        if self.assignment is None or self.assignment.spec.node_name is None:
            return None
        return self.hypervisor(self.assignment.spec.node_name)

    @property
    def bound(self) -> bool:
        """Whether the Instance has a node."""
        return self.assignment is not None and self.assignment.spec.node_name is not None

    def say(self, kind: str) -> Condition | None:
        """The condition as the Instance's status has it now."""
        status = self.instance.status
        return next((c for c in status.conditions if c.type == kind), None) if status else None


def external(network: str) -> str:
    """What is said to who wants to join one."""
    return (
        f"{network} is external (segment.type Flat), for FloatingIPs alone: guests join Networks with segment.type"
        " Overlay, VLAN or Bridge"
    )


def several(names: Iterable[str], most: int = 3) -> str:
    """How sentences list names: the first of them, and how many more there are."""
    found = sorted(names)
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")


def named(kind: str, namespace: str, name: str) -> str:
    """How sentences name an object: `Image demo/debian-12`."""
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
