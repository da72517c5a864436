"""Quota: how much of each thing a namespace may have, and who has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from orlop_api.condition import Conditions
from orlop_api.quantity import Quantity, between, from_bytes, to_bytes
from orlop_api.resource import (
    API_VERSION,
    LIST_ATOMIC,
    ApiModel,
    ByteCount,
    Metadata,
    rule,
    rules,
    to_wire_name,
)

NAME = "default"
"""The one that counts; there is no other."""
MOST_HOLDERS = 20_000
"""Objects that one Quota counts: their uids are 40 bytes each, and etcd takes no object above 1.5 MiB."""
_MOST = 1_000_000
_SIZE = between("0", "1000000Ti", "200Gi")

Number = Annotated[int, Field(ge=0, le=_MOST)]
Count = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]


class StoppedInstances(StrEnum):
    """What an Instance counts for while it is stopped."""

    COUNTED = "Counted"
    """As one that runs: it can always be started again."""
    FREE = "Free"
    """Without its vCPUs and memory: they are reserved anew when it is started."""


class Limits(ApiModel):
    """The most of each thing; what is absent is counted, and not limited."""

    instances: Number | None = None
    """Instances."""
    vcpus: Number | None = None
    """Virtual CPUs of all Instances together."""
    memory: Annotated[Quantity, Field(json_schema_extra=rules(_SIZE))] | None = None
    """Memory of all Instances together, for example 200Gi."""
    volumes: Number | None = None
    """Volumes."""
    storage: Annotated[Quantity, Field(json_schema_extra=rules(_SIZE))] | None = None
    """Size of all Volumes and VolumeSnapshots together, for example 2Ti. A VolumeSnapshot counts with the size of its
    Volume, however little of that it takes."""
    volume_snapshots: Number | None = None
    """VolumeSnapshots."""
    ports: Number | None = None
    """Ports, also those that are made for the NICs of Instances."""
    floating_ips: Number | None = None
    """FloatingIPs."""
    images: Number | None = None
    """Images."""

    @property
    def amounts(self) -> dict[str, int]:
        """By resource; bytes of sizes."""
        return _numbers(self)


class QuotaSpec(ApiModel):
    """What the namespace may have."""

    limits: Limits
    """The most of each thing. A limit may be lowered below what is used: all of that goes on, and nothing more
    begins."""
    stopped_instances: StoppedInstances = StoppedInstances.COUNTED
    """Counted: a stopped Instance keeps its vCPUs and memory, and can always be started again. Free: others may have
    them, and it waits for them when it is started."""


class Usage(ApiModel):
    """How much of each thing is reserved."""

    instances: Count = 0
    """Instances."""
    vcpus: Count = 0
    """Virtual CPUs."""
    memory: Quantity = "0"
    """Memory."""
    volumes: Count = 0
    """Volumes."""
    storage: Quantity = "0"
    """Size of Volumes and VolumeSnapshots."""
    volume_snapshots: Count = 0
    """VolumeSnapshots."""
    ports: Count = 0
    """Ports."""
    floating_ips: Count = 0
    """FloatingIPs."""
    images: Count = 0
    """Images."""

    @property
    def amounts(self) -> dict[str, int]:
        """By resource; bytes of sizes."""
        return _numbers(self)


class Reservation(ApiModel):
    """Objects that each have the same reserved."""

    instances: Count = 0
    """Instances, for each of the holders."""
    vcpus: Count = 0
    """Virtual CPUs, for each of the holders."""
    memory: ByteCount = 0
    """Bytes of memory, for each of the holders."""
    volumes: Count = 0
    """Volumes, for each of the holders."""
    storage: ByteCount = 0
    """Bytes of Volumes and VolumeSnapshots, for each of the holders."""
    volume_snapshots: Count = 0
    """VolumeSnapshots, for each of the holders."""
    ports: Count = 0
    """Ports, for each of the holders; of an Instance those that are made for its NICs."""
    floating_ips: Count = 0
    """FloatingIPs, for each of the holders."""
    images: Count = 0
    """Images, for each of the holders."""
    holders: Annotated[
        list[Annotated[str, Field(max_length=85)]],
        Field(max_length=MOST_HOLDERS, json_schema_extra=LIST_ATOMIC),
    ] = []
    """Uids of the objects; after a slash spec.reservation of the Instance's Assignment, as it was reserved for."""

    @property
    def amounts(self) -> dict[str, int]:
        """By resource; those that are not 0."""
        return {name: number for name, number in _numbers(self).items() if number}


@dataclass(frozen=True)
class Hold:
    """What one object has reserved."""

    amounts: Mapping[str, int] = field(default_factory=dict)
    """By resource."""
    token: int = 0
    """Value of Assignment.spec.reservation that this was reserved for."""


class QuotaStatus(ApiModel):
    """What is used, and by whom; operator only. A reservation is one compare-and-swap of this."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this status is about."""
    used: Usage = Usage()
    """How much of each thing is reserved: the sum of `reservations`."""
    reservations: Annotated[
        list[Reservation], Field(max_length=MOST_HOLDERS, json_schema_extra=LIST_ATOMIC)
    ] = []
    """Who has what. An object has nothing that is not here."""
    conditions: Conditions = []
    """Ready: the limits are in force."""

    @cached_property
    def holds(self) -> Mapping[str, Hold]:
        """By uid."""
        found: dict[str, Hold] = {}
        for group in self.reservations:
            amounts = group.amounts
            for holder in group.holders:
                uid, _, token = holder.partition("/")
                found[uid] = Hold(amounts, int(token or 0))
        return found


ONE = rule(
    f"self.metadata.name == '{NAME}'",
    f"a Quota is called {NAME}: each namespace has one, and its limits are changed there",
)
"""For the whole object."""


class Quota(ApiModel):
    """The most that a namespace may have of each thing. A namespace has one, called `default`, or none."""

    model_config = ConfigDict(json_schema_extra=rules(ONE))

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["Quota"] = "Quota"
    metadata: Metadata = Metadata()
    spec: QuotaSpec
    """What the namespace may have."""
    status: QuotaStatus | None = None
    """What is used, and by whom."""

    @property
    def holds(self) -> Mapping[str, Hold]:
        """Who has what."""
        return self.status.holds if self.status is not None else {}


_SIZES = frozenset({"memory", "storage"})
"""Resources that are bytes, and quantities for people."""


def shown(used: Mapping[str, int]) -> Usage:
    """Amounts as the status has them."""
    known = {name: used.get(name, 0) for name in Usage.model_fields}
    return Usage.model_validate(
        {name: from_bytes(number) if name in _SIZES else number for name, number in known.items()}
    )


def amount(resource: str, number: int) -> str:
    """One amount in sentences, with the name of its limit: `4 vcpus`, `6Gi of memory`, `2 floatingIPs`."""
    if resource in _SIZES:
        return f"{from_bytes(number)} of {resource}"
    return f"{number} {to_wire_name(resource)}"


def _numbers(found: Limits | Usage | Reservation) -> dict[str, int]:
    """By resource; what is absent is left out."""
    given = {name: getattr(found, name) for name in Usage.model_fields}
    return {
        name: to_bytes(value) if isinstance(value, str) else value
        for name, value in given.items()
        if value is not None
    }
