"""The kinds that the operator reads and writes, and the paths at which the API server keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, cast

from pydantic import Field

from orlop_api.aggregate import Aggregate
from orlop_api.assignment import Assignment
from orlop_api.claim import Claim
from orlop_api.flavor import Flavor
from orlop_api.floating_ip import FloatingIP
from orlop_api.hypervisor import Hypervisor
from orlop_api.image import Image
from orlop_api.instance import Instance
from orlop_api.instance_group import InstanceGroup
from orlop_api.keypair import KeyPair
from orlop_api.network import Network
from orlop_api.port import Port
from orlop_api.quota import Quota
from orlop_api.resource import GROUP, VERSION, ApiModel, Metadata
from orlop_api.router import Router
from orlop_api.security_group import SecurityGroup
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeClass
from orlop_operator.service import Service


class NodeTaint(ApiModel):
    """core/v1 Taint."""

    key: str
    effect: str
    value: str = ""


class NodeSpec(ApiModel):
    """The part of core/v1 NodeSpec that is looked at."""

    unschedulable: bool = False
    taints: list[NodeTaint] = []
    pod_cidrs: Annotated[list[str], Field(alias="podCIDRs")] = []


class NodeAddress(ApiModel):
    """core/v1 NodeAddress."""

    type: str
    address: str


class NodeStatus(ApiModel):
    """The part of core/v1 NodeStatus that says where the node is."""

    addresses: list[NodeAddress] = []


class Node(ApiModel):
    """core/v1 Node, as far as it is looked at."""

    metadata: Metadata = Metadata()
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class LeaseSpec(ApiModel):
    """coordination.k8s.io/v1 LeaseSpec, as far as it is looked at."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    renew_time: str | None = None
    acquire_time: str | None = None
    lease_transitions: int | None = None


class Lease(ApiModel):
    """coordination.k8s.io/v1 Lease."""

    metadata: Metadata = Metadata()
    spec: LeaseSpec = LeaseSpec()


class ConfigMap(ApiModel):
    """core/v1 ConfigMap; data alone."""

    metadata: Metadata = Metadata()
    data: dict[str, str] = {}


class OwnerReference(ApiModel):
    """metav1.OwnerReference, as far as it is looked at."""

    kind: str
    name: str
    uid: str
    controller: bool = False


class OwnedMetadata(Metadata):
    """Metadata with owners, which only Ports have."""

    owner_references: list[OwnerReference] = []


class OwnedPort(Port):
    """A Port, with the Instance that owns it."""

    metadata: OwnedMetadata = Field(default_factory=OwnedMetadata)

    @property
    def owner_uid(self) -> str | None:
        """Uid of the Instance that Orlop made the Port for; None for a user's own."""
        owners = self.metadata.owner_references
        return next((o.uid for o in owners if o.controller and o.kind == "Instance"), None)


Object = (
    Aggregate
    | Assignment
    | Claim
    | ConfigMap
    | Flavor
    | FloatingIP
    | Hypervisor
    | Image
    | Instance
    | InstanceGroup
    | KeyPair
    | Lease
    | Network
    | Node
    | OwnedPort
    | Quota
    | Router
    | SecurityGroup
    | Service
    | Volume
    | VolumeClass
    | VolumeSnapshot
)
M = TypeVar("M", bound=Object)


@dataclass(frozen=True, eq=False)
class Kind(Generic[M]):
    """One kind of object."""

    name: str
    plural: str
    model: type[M]
    namespaced: bool = True
    group: str = GROUP
    version: str = VERSION
    watched: str = ""
    """A field selector: which of them are watched, where that is not all."""

    @property
    def api_version(self) -> str:
        """As in manifests: orlop.dev/v1alpha1, v1."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of one object, or with no name of the collection."""
        root = f"/apis/{self.group}" if self.group else "/api"
        parts = [root, self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        return "/".join([*parts, self.plural, *filter(None, (name, subresource))])

    def parse(self, body: dict[str, Any]) -> M:
        """The typed object; pydantic.ValidationError where it is not one."""
        return cast("M", self.model.model_validate(body))


INSTANCE = Kind("Instance", "instances", Instance)
INSTANCE_GROUP = Kind("InstanceGroup", "instancegroups", InstanceGroup)
IMAGE = Kind("Image", "images", Image)
NETWORK = Kind("Network", "networks", Network)
PORT = Kind("Port", "ports", OwnedPort)
SECURITY_GROUP = Kind("SecurityGroup", "securitygroups", SecurityGroup)
FLOATING_IP = Kind("FloatingIP", "floatingips", FloatingIP)
ROUTER = Kind("Router", "routers", Router)
VOLUME = Kind("Volume", "volumes", Volume)
QUOTA = Kind("Quota", "quotas", Quota)
KEY_PAIR = Kind("KeyPair", "keypairs", KeyPair)
FLAVOR = Kind("Flavor", "flavors", Flavor, namespaced=False)
VOLUME_SNAPSHOT = Kind("VolumeSnapshot", "volumesnapshots", VolumeSnapshot)
VOLUME_CLASS = Kind("VolumeClass", "volumeclasses", VolumeClass, namespaced=False)
AGGREGATE = Kind("Aggregate", "aggregates", Aggregate, namespaced=False)
HYPERVISOR = Kind("Hypervisor", "hypervisors", Hypervisor, namespaced=False)
ASSIGNMENT = Kind("Assignment", "assignments", Assignment)
CLAIM = Kind("Claim", "claims", Claim)
NODE = Kind("Node", "nodes", Node, namespaced=False, group="", version="v1")
SERVICE = Kind("Service", "services", Service, group="", version="v1")
_OURS = "metadata.namespace!=kube-node-lease,metadata.namespace!=kube-system"
"""The kubelets' would be an event every few seconds for each node."""
CONFIG_MAP = Kind(
    "ConfigMap", "configmaps", ConfigMap, group="", version="v1", watched="metadata.name=orlop-scheduler"
)
LEASE = Kind("Lease", "leases", Lease, group="coordination.k8s.io", version="v1", watched=_OURS)

WATCHED: tuple[Kind[Any], ...] = (
    FLAVOR, VOLUME_CLASS, QUOTA, AGGREGATE, NODE, LEASE, SERVICE, HYPERVISOR, IMAGE, KEY_PAIR, NETWORK, CLAIM,
    ROUTER, SECURITY_GROUP, INSTANCE_GROUP, PORT, FLOATING_IP, VOLUME, VOLUME_SNAPSHOT, ASSIGNMENT, INSTANCE,
)  # fmt: skip
"""All that the store holds; what others refer to comes first."""
BY_NAME: dict[str, Kind[Any]] = {kind.name: kind for kind in (*WATCHED, CONFIG_MAP)}
