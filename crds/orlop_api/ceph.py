"""Ceph: a pool of RBD images, as a VolumeClass names it and as a node is told of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orlop_api.resource import (
    LIST_ATOMIC,
    ApiModel,
    DnsSubdomain,
    HostName,
    LocalRef,
    PortNumber,
    rule,
    rules,
)

WHOLE_USER = rule(
    "has(self.user) == has(self.credentialsSecretRef)",
    "user and credentialsSecretRef need each other",
)
_NAMED_BY_UID = rule(
    r"self.matches('^[-_.A-Za-z0-9]*\\{uid\\}[-_.A-Za-z0-9]*$')",
    "must hold {uid} once, and beside it only . - _ letters and digits",
)
_SHORT = rule("size(self.name) <= 200", "name must be of 200 characters at most")

CEPH_KEY = "key"
"""Key of the platform's Secret that holds a user's cephx key."""


def ceph_key(credentials: str) -> str:
    """Key of a node's Secret that holds the cephx key of the Secret of this name in orlop-system."""
    return f"ceph-{credentials}"


class CephMonitor(ApiModel):
    """A monitor of a Ceph cluster."""

    host: HostName
    """Name or IPv4 address. Volumes keep what is said here: of a monitor that may move, give the name."""
    port: PortNumber = 3300
    """Its TCP port: 3300 for version 2 of Ceph's protocol, 6789 for version 1."""


CephMonitors = Annotated[list[CephMonitor], Field(min_length=1, max_length=9, json_schema_extra=LIST_ATOMIC)]
CephName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][-_.A-Za-z0-9]*$")]
ImageName = Annotated[str, Field(min_length=5, max_length=64, json_schema_extra=rules(_NAMED_BY_UID))]


class RbdParameters(ApiModel):
    """Images of a Ceph cluster's pool, which Orlop makes, sizes and deletes; QEMU is the client."""

    monitors: CephMonitors
    """The cluster's monitors, any of which is asked."""
    pool: CephName
    """The pool; it is there already, and is one for RBD (`rbd pool init`)."""
    image_name: ImageName = "orlop-{uid}"
    """Name of a Volume's or VolumeSnapshot's image: text with {uid}, which is its uid."""
    user: CephName | None = None
    """The Ceph user, without `client.`; no authentication when absent."""
    credentials_secret_ref: Annotated[LocalRef, Field(json_schema_extra=rules(_SHORT))] | None = None
    """A Secret of namespace orlop-system whose key `key` is the user's cephx key, as `ceph auth get-key` prints it."""


class RbdLocation(ApiModel):
    """An image in a pool of a Ceph cluster."""

    monitors: CephMonitors
    """The cluster's monitors."""
    pool: CephName
    """The pool."""
    image_name: ImageName
    """Name of the image, with {uid} in place of the uid of whose data it is."""
    user: CephName | None = None
    """The Ceph user, without `client.`."""
    credentials: DnsSubdomain | None = None
    """The Secret of namespace orlop-system with the user's key; on the node under ceph- and this name."""
