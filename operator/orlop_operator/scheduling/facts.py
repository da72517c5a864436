"""What the scheduler is told: hosts, what they hold, what is wanted. Plain frozen values, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orlop_api.placement import Toleration, selects
from orlop_operator.scheduling.hardware import NO_NEED, HardwareNeed, Offer


@dataclass(frozen=True, slots=True)
class Taint:
    """A node's taint, as core/v1 has it."""

    key: str
    effect: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"


@dataclass(frozen=True, slots=True)
class Usage:
    """Virtual CPUs, and bytes of memory and of the data pool."""

    vcpus: int = 0
    memory: int = 0
    disk: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(self.vcpus + other.vcpus, self.memory + other.memory, self.disk + other.disk)


@dataclass(frozen=True, slots=True)
class Physical:
    """A host's interface on a physical network."""

    mtu: int
    bridge: bool = False


@dataclass(frozen=True, slots=True)
class PhysicalNeed:
    """A physical network that a NIC is on."""

    name: str
    mtu: int
    bridge: bool = False
    """The interface must be a bridge."""
    node_selector: tuple[tuple[str, str], ...] = ()
    """Labels that the node must have."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One expression about a label, or the name, of a node; the words are core/v1's NodeSelectorRequirement's."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """All of these must hold; a term without any holds nowhere, as core/v1 has it."""

    labels: tuple[Requirement, ...] = ()
    fields: tuple[Requirement, ...] = ()
    """About metadata.name."""


@dataclass(frozen=True, slots=True)
class Preference:
    """Nodes that match are better by so many hundredths."""

    weight: int
    term: Term


@dataclass(frozen=True, slots=True)
class Host:
    """One hypervisor, from its Hypervisor object and its Node."""

    name: str
    capacity: Usage = Usage()
    """What it can give in all; the World subtracts what is held."""
    ready: bool = True
    """Hypervisor condition Ready is True."""
    reason: str = ""
    """Reason of Ready when it is not, for example NodeUnreachable."""
    cordoned: bool = False
    """Node.spec.unschedulable, or the hypervisor label was taken away, or the object is being deleted."""
    disabled: str | None = None
    """Why an administrator wants nothing new there; None: nobody said so."""
    weight: float = 0.0
    """How much better an administrator finds it than others."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the Node."""
    taints: tuple[Taint, ...] = ()
    """Taints of the Node."""
    architecture: str | None = None
    images: frozenset[str] = frozenset()
    """Digests in its image cache."""
    pool_id: str | None = None
    """Its data pool."""
    shared_pools: Mapping[str, str] = field(default_factory=dict)
    """Shared pools that it has mounted: name to pool id."""
    physical: Mapping[str, Physical] = field(default_factory=dict)
    """Its interfaces on physical networks, by the names of these."""
    nic_families: frozenset[str] = frozenset()
    """Families that its agent gives a NIC alone."""
    hardware: Offer | None = None
    """What its guests can have; None where its agent is too old to say."""


@dataclass(frozen=True, slots=True)
class Pin:
    """Data that is on one node: the Instance must go there."""

    what: str
    """For the explanation: `Volume demo/data`."""
    node: str
    pool_id: str | None = None
    """The data pool that has it; a node with another pool has lost it."""


@dataclass(frozen=True, slots=True)
class PoolNeed:
    """Data in a shared pool: the node must have it mounted."""

    name: str
    pool_id: str | None = None
    """What the pool must be, where data is in it already."""


@dataclass(frozen=True, slots=True)
class AggregateNeed:
    """An Aggregate that the node must be in."""

    name: str
    labels: tuple[tuple[str, str], ...] | None
    """What its nodes have; None: there is no such Aggregate."""

    def has(self, host: Host) -> bool:
        """Whether the host is in it."""
        return self.labels is not None and selects(self.labels, host.labels)


@dataclass(frozen=True, slots=True)
class GroupNeed:
    """The InstanceGroup that the Instance is in, and where the others of it are."""

    name: str
    """For the explanation: `InstanceGroup demo/web`."""
    key: str
    """The node label whose values are the domains."""
    together: bool
    """Near the others, or apart from them."""
    hard: bool
    """Whether that must be so."""
    most: int = 1
    """Where it must be apart: how many a domain may have."""
    taken: Mapping[str, int] = field(default_factory=dict)
    """Where it must be so: domain to how many others have a place there."""
    others: Mapping[str, int] = field(default_factory=dict)
    """Node to how many others are there, or are just going there."""

    def allows(self, domain: str | None) -> bool:
        """Whether the Instance may be in this domain."""
        if not self.hard:
            return True
        if domain is None:
            return False
        if self.together:
            return not self.taken or domain in self.taken
        return self.taken.get(domain, 0) < self.most


@dataclass(frozen=True, slots=True)
class Request:
    """What one Instance needs."""

    vcpus: int
    memory: int
    """Bytes."""
    disk: int
    """Bytes that will be taken of the data pool: the root disk, and Volumes that do not exist yet."""
    held: Mapping[str, int] = field(default_factory=dict)
    """Node to bytes of `disk` that are held there already: by Volumes that were claimed in an earlier look."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    affinity: tuple[Term, ...] | None = None
    """One of them must hold; None: any node."""
    preferred: tuple[Preference, ...] = ()
    """What of nodes is welcome."""
    zone: str | None = None
    aggregates: tuple[AggregateNeed, ...] = ()
    """All that the node must be in."""
    tolerations: tuple[Toleration, ...] = ()
    architecture: str | None = None
    """What the Image requires; None: any."""
    hardware: HardwareNeed = NO_NEED
    ipv6_alone: bool = False
    """Whether a NIC is of a Network that has IPv6 alone."""
    image: str | None = None
    """Digest of the boot image, for the locality weight."""
    not_given: str = ""
    """Why no node can fetch that now; empty where one can."""
    pins: tuple[Pin, ...] = ()
    pools: tuple[PoolNeed, ...] = ()
    physical: tuple[PhysicalNeed, ...] = ()
    excluded: Mapping[str, str] = field(default_factory=dict)
    """Node to why not: nodes that refused this Instance lately."""
    group: GroupNeed | None = None
    failed: frozenset[str] = frozenset()
    """Nodes that failed it once, and may be asked again."""
    profile: str | None = None
    """Name of the filters and weights; None: the default ones."""

    @property
    def usage(self) -> Usage:
        """What a host will hold, where nothing is held yet."""
        return Usage(self.vcpus, self.memory, self.disk)

    def usage_on(self, node: str) -> Usage:
        """What this host will hold beside what it holds already."""
        return Usage(self.vcpus, self.memory, self.disk - self.held.get(node, 0))


@dataclass(frozen=True, slots=True)
class Rejection:
    """So many hosts were rejected, all for this reason."""

    count: int
    text: str

    def __str__(self) -> str:
        return f"{self.count} {self.text}"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where to put it, and the next best ones in order."""

    node: str
    alternates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unplaceable:
    """No host will do; message is the sentence for condition Scheduled."""

    message: str
    rejections: tuple[Rejection, ...] = ()
    reason: str = "Unschedulable"
    """The condition's, unless data has to be where it is."""
