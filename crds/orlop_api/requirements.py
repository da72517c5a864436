"""What an Image's disk needs of a machine, as the `hw_…` and `min_…` properties of Glance."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orlop_api.hardware import MOST_FEATURES, CpuFeature, Firmware, MachineType, TpmVersion
from orlop_api.quantity import Quantity, between
from orlop_api.resource import LIST_SET, ApiModel, rules


class Requirements(ApiModel):
    """What a machine must have to run the Image."""

    architecture: Literal["x86_64"] | None = None
    """Processor architecture of the guest."""
    min_memory: (
        Annotated[Quantity, Field(json_schema_extra=rules(between("1Mi", "16Ti", "256Mi")))] | None
    ) = None
    """The least memory a Flavor must give."""
    min_disk: Annotated[Quantity, Field(json_schema_extra=rules(between("1Mi", "64Ti", "3Gi")))] | None = None
    """The least root disk a Flavor must give."""
    machine_type: MachineType | None = None
    """The board: pc or q35, or a version of one."""
    firmware: Firmware | None = None
    """What the disk is started by: BIOS or UEFI."""
    tpm: TpmVersion | None = None
    """2.0: the guest needs a TPM."""
    cpu_features: Annotated[
        list[CpuFeature], Field(max_length=MOST_FEATURES, json_schema_extra=LIST_SET)
    ] = []
    """Features that the processor must have, by libvirt's names, for example avx2; at most 32."""
