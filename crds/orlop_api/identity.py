"""Which Instance an Assignment is for."""

from __future__ import annotations

from orlop_api.resource import ApiModel, DnsLabel, DnsSubdomain, ObjectUid


class InstanceIdentity(ApiModel):
    """Whom the Assignment is for."""

    namespace: DnsLabel
    """Namespace of the Instance."""
    name: DnsSubdomain
    """Name of the Instance; the guest's host name."""
    uid: ObjectUid
    """Uid of the Instance; also the libvirt domain's UUID."""
