"""Instance: a virtual machine, as Nova's server."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from orlop_api.attachment import Access
from orlop_api.boot import BOOT_DISK, ONE_BOOT, Boot
from orlop_api.condition import Conditions
from orlop_api.hardware import UEFI_NEEDS_Q35, Hardware
from orlop_api.keypair import MOST_KEY_PAIRS
from orlop_api.nic import EACH_PORT_ONCE, MOST_NICS, NIC_RULES, NICS_STAY_IN_ORDER, NetworkInterface
from orlop_api.placement import Placement
from orlop_api.resource import (
    API_VERSION,
    ApiModel,
    Digest,
    DnsLabel,
    DnsSubdomain,
    Ip,
    LocalRef,
    MacAddress,
    Message,
    Metadata,
    SecretKeyRef,
    list_map,
    rule,
    rules,
)

FINALIZER = "orlop.dev/operator"
REQUESTED_BY = "orlop.dev/requested-by"
REQUESTED_BY_UID = "orlop.dev/requested-by-uid"
REQUESTED_BY_GROUPS = "orlop.dev/requested-by-groups"


class PowerState(StrEnum):
    """Whether the machine runs."""

    RUNNING = "Running"
    STOPPED = "Stopped"


class RestartPolicy(StrEnum):
    """What to do when the guest ends by itself."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"


class StopMode(StrEnum):
    """How a running machine is stopped."""

    TRY_SOFT = "TrySoft"
    HARD = "Hard"


class StopPolicy(ApiModel):
    """How a running machine is stopped or restarted."""

    mode: StopMode = StopMode.TRY_SOFT
    """TrySoft: press the power button, and pull the plug after timeoutSeconds. Hard: pull the plug."""
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    """How long the guest may take to power off, 1 to 3600 seconds."""


class VolumeMount(ApiModel):
    """One Volume as a disk of the machine."""

    name: DnsLabel
    """Name of the disk within the Instance."""
    volume_ref: LocalRef
    """The Volume."""
    access: Access = Access.READ_WRITE
    """ReadWrite, or ReadOnly: the guest sees a disk that refuses writes."""


_EACH_VOLUME_ONCE = rule(
    "self.all(v, self.exists_one(w, w.volumeRef.name == v.volumeRef.name))",
    "each Volume may be named once",
)
_MOUNT_STAYS = rule(
    "oldSelf.all(o, self.all(n, n.name != o.name || n == o))",
    "volumeRef and access of an entry are fixed while it is listed: add an entry with another name, or remove"
    " this one first",
)


class UserData(ApiModel):
    """What the guest is told at its first boot, for cloud-init."""

    inline: Annotated[str, Field(max_length=65536)] | None = None
    """The text itself, at most 65536 characters; anybody who may read the Instance reads it."""
    secret_ref: SecretKeyRef | None = None
    """A Secret of the same namespace, which the requester may get."""


_ONE_USER_DATA = rule(
    "has(self.inline) != has(self.secretRef)", "exactly one of inline and secretRef must be set"
)


class InstanceSpec(ApiModel):
    """The machine that is wanted."""

    flavor_name: DnsSubdomain
    """The Flavor: vCPUs, memory, root disk."""
    boot: Annotated[Boot, Field(json_schema_extra=rules(ONE_BOOT))]
    """What the machine boots from."""
    hardware: Annotated[Hardware, Field(json_schema_extra=rules(UEFI_NEEDS_Q35))] | None = None
    """Board, firmware, TPM and processors, where they matter."""
    networks: Annotated[
        list[Annotated[NetworkInterface, Field(json_schema_extra=NIC_RULES)]],
        Field(
            max_length=MOST_NICS,
            json_schema_extra=list_map("name") | rules(EACH_PORT_ONCE, NICS_STAY_IN_ORDER),
        ),
    ] = []
    """The NICs, in the order in which the guest sees them; at most 8.

    Entries may be removed, and added after those that stay, at any time, while the machine runs too. One that is
    removed keeps its address until the guest has let go of it.
    """
    volumes: Annotated[
        list[VolumeMount],
        Field(max_length=16, json_schema_extra=list_map("name") | rules(_EACH_VOLUME_ONCE, _MOUNT_STAYS)),
    ] = []
    """The disks after the root disk, in the order of a guest's start; at most 16.

    Entries may be added and removed at any time, while the machine runs too. A guest knows a disk by its serial:
    the first 20 characters of the Volume's uid.
    """
    user_data: Annotated[UserData, Field(json_schema_extra=rules(_ONE_USER_DATA))] | None = None
    """What the guest is told at its first boot."""
    key_pair_refs: Annotated[
        list[LocalRef], Field(max_length=MOST_KEY_PAIRS, json_schema_extra=list_map("name"))
    ] = []
    """KeyPairs whose owners the guest lets in, at most 4: told at its first boot, to whatever reads the seed there
    (cloud-init: the keys of its default user)."""
    power_state: PowerState = PowerState.RUNNING
    """Running or Stopped. A machine that is wanted stopped and is stopped is Ready."""
    restart_policy: RestartPolicy = RestartPolicy.ALWAYS
    """When the guest ends by itself: Always start it again, OnFailure only after a crash, Never."""
    stop_policy: StopPolicy = StopPolicy()
    """How the machine is stopped or restarted."""
    restarted_at: Annotated[str, Field(max_length=64)] | None = None
    """Any new value restarts the machine once."""
    placement: Placement = Placement()
    """Where the machine may run; looked at when it is placed."""


def disks_of(spec: InstanceSpec) -> list[VolumeMount]:
    """All Volumes that the machine shall have, first the one that it boots from, if it does."""
    boots = (
        [] if spec.boot.volume_ref is None else [VolumeMount(name=BOOT_DISK, volume_ref=spec.boot.volume_ref)]
    )
    return [*boots, *spec.volumes]


class InstanceAddress(ApiModel):
    """What a NIC got."""

    network: DnsLabel
    """Name of the NIC in spec.networks."""
    ip: Ip
    """The address: of IPv4, or in a Network of IPv6 alone that one."""
    ipv6: Ip | None = None
    """The IPv6 address, in a Network that has an IPv6 subnet."""
    mac: MacAddress
    """The MAC address."""


class DomainStatus(ApiModel):
    """The libvirt domain."""

    uuid: Annotated[str, Field(max_length=36)]
    """Its UUID, which is the Instance's uid."""
    type: Annotated[str, Field(max_length=16)] | None = None
    """The virtualization type: kvm, or qemu for emulation."""


class ImageUsed(ApiModel):
    """The image that the root disk, or the Volume in its place, was made from."""

    digest: Digest
    """Its digest, pinned when the Instance was placed, or the Volume first attached."""


class InstanceStatus(ApiModel):
    """The machine as it is; operator only."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this status is about."""
    node_name: DnsSubdomain | None = None
    """The node that the machine is on."""
    power_state: PowerState | None = None
    """Whether the machine runs."""
    domain: DomainStatus | None = None
    """The libvirt domain."""
    addresses: Annotated[
        list[InstanceAddress], Field(max_length=2 * MOST_NICS, json_schema_extra=list_map("network"))
    ] = []
    """What the NICs got: while the machine runs, of those that it has."""
    image: ImageUsed | None = None
    """The image that the root disk was made from."""
    restarted_at: Annotated[str, Field(max_length=64)] | None = None
    """The value of spec.restartedAt that was last acted on."""
    message: Message | None = None
    """One sentence on what the Instance waits for; the same as Ready's."""
    conditions: Conditions = []
    """Authorized, QuotaReserved, Scheduled, ImageReady, NetworkReady, VolumesReady, and Ready in sum."""


_NOT_TWICE = rule(
    "!has(self.boot.volumeRef) || !has(self.volumes)"
    " || self.volumes.all(v, v.volumeRef.name != self.boot.volumeRef.name)",
    "volumes lists the disks beside the one that boot.volumeRef names: leave that one out",
)
_ROOT_IS_TAKEN = rule(
    f"!has(self.boot.volumeRef) || !has(self.volumes) || self.volumes.all(v, v.name != '{BOOT_DISK}')",
    f"the disk that boot.volumeRef names is called {BOOT_DISK}: give the entry of volumes another name",
)
_CHANGE = "is immutable: create another Instance"
_GROUP_STAYS = rule(
    "has(self.placement) && has(self.placement.groupRef) ? has(oldSelf.placement) && has(oldSelf.placement.groupRef)"
    " && self.placement.groupRef.name == oldSelf.placement.groupRef.name"
    " : !has(oldSelf.placement) || !has(oldSelf.placement.groupRef)",
    f"placement.groupRef {_CHANGE}",
)


def _fixed(field: str) -> dict[str, str]:
    """Immutable also in being there or not, which a rule on the field itself would not see."""
    new, old = f"self.{field}", f"oldSelf.{field}"
    return rule(f"has({new}) == has({old}) && (!has({new}) || {new} == {old})", f"{field} {_CHANGE}")


def _fixed_list(field: str) -> dict[str, str]:
    """Likewise, where no list and an empty one are the same."""
    new, old = f"self.{field}", f"oldSelf.{field}"
    return rule(
        f"has({new}) && {new}.size() > 0 ? has({old}) && {new} == {old} : !has({old}) || {old}.size() == 0",
        f"{field} {_CHANGE}",
    )


class Instance(ApiModel):
    """A virtual machine. Its name is the guest's host name."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",
                "metadata.name must be a host name: at most 63 of a-z, 0-9 and -, without - at either end",
            )
        )
    )

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["Instance"] = "Instance"
    metadata: Metadata = Metadata()
    spec: Annotated[
        InstanceSpec,
        Field(
            json_schema_extra=rules(
                *(_fixed(name) for name in ("flavorName", "boot", "hardware", "userData")),
                _fixed_list("keyPairRefs"),
                _GROUP_STAYS,
                _NOT_TWICE,
                _ROOT_IS_TAKEN,
            )
        ),
    ]
    """The machine that is wanted."""
    status: InstanceStatus | None = None
    """The machine as it is."""
