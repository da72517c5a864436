"""Limits on what a NIC may carry in a second, as Neutron's bandwidth limit rules have them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orlop_api.quantity import Quantity, between
from orlop_api.resource import ApiModel, rule, rules


class BandwidthLimit(ApiModel):
    """One direction's."""

    bits_per_second: Annotated[Quantity, Field(json_schema_extra=rules(between("64k", "100G", "100M")))]
    """Bits a second, with Ethernet headers, from 64k to 100G, for example 100M."""
    burst_bytes: (
        Annotated[Quantity, Field(json_schema_extra=rules(between("16Ki", "64Mi", "256Ki")))] | None
    ) = None
    """Bytes that may pass at once after a pause, from 16Ki to 64Mi, and no more than 60 seconds' worth.

    What 20 milliseconds carry when absent, and 64Ki at least.
    """


_BURST_IS_SHORT = rule(
    "!has(self.burstBytes) || quantity(self.burstBytes).asApproximateFloat() * 8.0"
    " <= quantity(self.bitsPerSecond).asApproximateFloat() * 60.0",
    "burstBytes may be at most what bitsPerSecond carries in 60 seconds",
)
Limit = Annotated[BandwidthLimit, Field(json_schema_extra=rules(_BURST_IS_SHORT))]


class PortQos(ApiModel):
    """Limits on a NIC; what is above them waits a little, and is lost when too much waits."""

    ingress: Limit | None = None
    """What the guest receives; no limit when absent."""
    egress: Limit | None = None
    """What the guest sends; no limit when absent."""
