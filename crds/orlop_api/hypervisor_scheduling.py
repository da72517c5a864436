"""What administrators say of a Hypervisor to the scheduler."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orlop_api.capacity import Overcommit
from orlop_api.resource import ApiModel


class HypervisorScheduling(ApiModel):
    """What administrators say of the node to the scheduler; nobody else writes it."""

    state: Literal["Enabled", "Disabled"] = "Enabled"
    """Disabled: nothing new is placed there, and what runs there stays, as with a cordoned Node; pods still come."""
    reason: Annotated[str, Field(max_length=200)] = ""
    """Why it is Disabled, in a few words. Whoever waits for a node reads it."""
    weight: Annotated[int, Field(ge=-100, le=100)] = 0
    """How much better than others it is found, in hundredths of a node's capacity."""
    overcommit: Overcommit | None = None
    """What it promises to guests, as multiples of what it has; before what its Aggregates and orlop-config say."""
