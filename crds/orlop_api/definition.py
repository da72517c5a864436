"""The CustomResourceDefinitions: names, scopes, columns and selectors of the kinds around their schemas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from orlop_api.aggregate import Aggregate
from orlop_api.assignment import Assignment
from orlop_api.claim import Claim
from orlop_api.column import (
    AGE,
    AGGREGATED,
    ALLOWED,
    ALSO_ALLOWED,
    GROUPED,
    JOINED,
    LED,
    MESSAGE,
    READY,
    REASON,
    SIZES,
    Column,
)
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
from orlop_api.resource import GROUP, VERSION, ApiModel
from orlop_api.router import Router
from orlop_api.schema import Schema, structural
from orlop_api.security_group import SecurityGroup
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeClass

ANYBODY = ("orlop",)
"""Category of what users deal with: `kubectl get orlop`."""


@dataclass(frozen=True)
class Definition:
    """What a CRD says beside the schema."""

    model: type[ApiModel]
    plural: str
    short: str
    scope: Literal["Namespaced", "Cluster"]
    columns: tuple[Column, ...]
    categories: tuple[str, ...] = ()
    selectable: tuple[str, ...] = ()
    """Paths that a field selector may name, so that the server filters."""

    @property
    def kind(self) -> str:
        """The kind, as in manifests."""
        return self.model.__name__

    @property
    def name(self) -> str:
        """The CRD's own name."""
        return f"{self.plural}.{GROUP}"


DEFINITIONS = (
    Definition(
        Instance,
        "instances",
        "inst",
        "Namespaced",
        (
            READY,
            Column("Power", ".status.powerState"),
            REASON,
            Column("Flavor", ".spec.flavorName"),
            Column("Node", ".status.nodeName"),
            Column("IP", ".status.addresses[*].ip"),
            AGE,
            Column("Image", ".spec.boot.imageRef.name", wide=True),
            Column("BootVolume", ".spec.boot.volumeRef.name", wide=True),
            MESSAGE,
        ),
        ANYBODY,
        (".status.nodeName",),
    ),
    Definition(
        Image,
        "images",
        "img",
        "Namespaced",
        (
            READY,
            REASON,
            Column("Format", ".status.format"),
            Column("Bytes", ".status.virtualSizeBytes", "integer"),
            AGE,
            Column("Digest", ".status.digest", wide=True),
            MESSAGE,
        ),
        ANYBODY,
    ),
    Definition(
        Network,
        "networks",
        "onet",
        "Namespaced",
        (
            READY,
            REASON,
            Column("CIDR", ".spec.subnets[*].cidr"),
            Column("Egress", ".spec.egress"),
            AGE,
            Column("Segment", ".status.segmentID", "integer", wide=True),
            Column("MTU", ".status.mtu", "integer", wide=True),
            MESSAGE,
        ),
        ANYBODY,
    ),
    Definition(
        Port,
        "ports",
        "oport",
        "Namespaced",
        (
            READY,
            REASON,
            Column("Network", ".spec.networkRef.name"),
            Column("IP", ".status.addresses[*]"),
            Column("MAC", ".status.macAddress"),
            Column("Instance", ".status.binding.instanceName"),
            AGE,
            Column("Node", ".status.binding.nodeName", wide=True),
            MESSAGE,
        ),
        ANYBODY,
        (".status.networkUID",),
    ),
    Definition(Router, "routers", "orouter", "Namespaced", (READY, REASON, JOINED, AGE, MESSAGE), ANYBODY),
    Definition(FloatingIP, "floatingips", "ofip", "Namespaced", (READY, REASON, *LED, AGE, MESSAGE), ANYBODY),
    Definition(SecurityGroup, "securitygroups", "osg", "Namespaced", (READY, REASON, AGE, MESSAGE), ANYBODY),
    Definition(InstanceGroup, "instancegroups", "ogroup", "Namespaced", GROUPED, ANYBODY),
    Definition(
        KeyPair,
        "keypairs",
        "okey",
        "Namespaced",
        (READY, REASON, Column("Type", ".status.type"), Column("Fingerprint", ".status.fingerprint"), AGE),
        ANYBODY,
    ),
    Definition(
        Volume,
        "volumes",
        "ovol",
        "Namespaced",
        (
            READY,
            REASON,
            Column("Size", ".spec.size"),
            Column("Class", ".spec.className"),
            Column("Instance", ".status.attachments[*].instanceName"),
            Column("Node", ".status.nodeName"),
            AGE,
            Column("Capacity", ".status.capacityBytes", "integer", wide=True),
            Column("Reclaim", ".spec.reclaimPolicy", wide=True),
            MESSAGE,
        ),
        ANYBODY,
    ),
    Definition(
        VolumeSnapshot,
        "volumesnapshots",
        "ovsnap",
        "Namespaced",
        (
            READY,
            REASON,
            Column("Volume", ".spec.volumeRef.name"),
            Column("Bytes", ".status.sizeBytes", "integer"),
            Column("Consistency", ".status.consistency"),
            AGE,
            Column("Node", ".status.nodeName", wide=True),
            MESSAGE,
        ),
        ANYBODY,
    ),
    Definition(
        Quota,
        "quotas",
        "oquota",
        "Namespaced",
        (*ALLOWED, READY, REASON, AGE, *ALSO_ALLOWED, MESSAGE),
        ANYBODY,
    ),
    Definition(Flavor, "flavors", "flavor", "Cluster", SIZES, ANYBODY),
    Definition(Aggregate, "aggregates", "oagg", "Cluster", AGGREGATED, ANYBODY),
    Definition(
        VolumeClass,
        "volumeclasses",
        "ovc",
        "Cluster",
        (Column("Driver", ".spec.driver"), Column("MultiAttach", ".spec.multiAttach"), AGE),
        ANYBODY,
    ),
    Definition(
        Hypervisor,
        "hypervisors",
        "hv",
        "Cluster",
        (
            READY,
            REASON,
            Column("vCPUs", ".status.capacity.vcpus", "integer"),
            Column("Memory", ".status.capacity.memoryBytes", "integer"),
            Column("Type", ".status.virtualizationType"),
            AGE,
            Column("Address", ".status.hostAddress", wide=True),
            Column("Agent", ".status.agentVersion", wide=True),
            Column("Libvirt", ".status.libvirtVersion", wide=True),
            MESSAGE,
        ),
        ANYBODY,
    ),
    Definition(
        Assignment,
        "assignments",
        "asg",
        "Namespaced",
        (
            Column("Namespace", ".spec.instance.namespace"),
            Column("Instance", ".spec.instance.name"),
            Column("Node", ".spec.nodeName"),
            Column("Epoch", ".spec.epoch", "integer"),
            Column("Desired", ".spec.desired"),
            Column("State", ".status.state"),
            Column("Reason", ".status.reason"),
            AGE,
            Column("Message", ".status.message", wide=True),
        ),
        selectable=(".spec.nodeName",),
    ),
    Definition(
        Claim,
        "claims",
        "oclaim",
        "Namespaced",
        (
            Column("Type", ".spec.type"),
            Column("Value", ".spec.value"),
            Column("Kind", ".spec.holder.kind"),
            Column("Namespace", ".spec.holder.namespace"),
            Column("Holder", ".spec.holder.name"),
            AGE,
        ),
    ),
)


def crd(definition: Definition) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind."""
    schema: Schema = structural(definition.model)
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(column) for column in definition.columns],
        "schema": {"openAPIV3Schema": schema},
    }
    if definition.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in definition.selectable]
    if "status" in schema["properties"]:
        version["subresources"] = {"status": {}}
    names: dict[str, Any] = {
        "kind": definition.kind,
        "listKind": f"{definition.kind}List",
        "plural": definition.plural,
        "singular": definition.kind.lower(),
    }
    # kubectl finds `flavor` by the singular already, and the API server refuses a short name that repeats it.
    if definition.short != names["singular"]:
        names["shortNames"] = [definition.short]
    if definition.categories:
        names["categories"] = list(definition.categories)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": definition.name},
        "spec": {"group": GROUP, "names": names, "scope": definition.scope, "versions": [version]},
    }


def _column(column: Column) -> dict[str, Any]:
    made = {"name": column.name, "type": column.kind, "jsonPath": column.path}
    return made | ({"priority": 1} if column.wide else {})
