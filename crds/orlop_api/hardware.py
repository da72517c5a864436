"""The virtual hardware beside vCPUs, memory and disks: what it shall be like, and what of it a node can give."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from orlop_api.resource import LIST_SET, ApiModel, rule

_PC = r"^(pc|q35|pc-(i440fx|q35)-[A-Za-z0-9][A-Za-z0-9._-]*)$"
MachineType = Annotated[str, Field(max_length=64, pattern=_PC)]
"""The boards that a domain here can have: not microvm or isapc, which have no place for its devices."""
CpuModel = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
CpuFeature = Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*$")]
TpmVersion = Literal["2.0"]
MOST_FEATURES = 32
"""That one machine or Image may ask for."""

CPU_MODES = ("host-model", "host-passthrough", "maximum")
"""Words in the place of a model: as near to the node's processor as libvirt knows it, that very processor, or all that
the hypervisor can do."""

# Thousands of nodes say the same few hundred names: each is kept once.
_ReportedMachine = Annotated[str, Field(max_length=64), AfterValidator(sys.intern)]
_ReportedModel = Annotated[str, Field(max_length=64), AfterValidator(sys.intern)]
_ReportedFeature = Annotated[str, Field(max_length=64), AfterValidator(sys.intern)]
MOST_MACHINE_TYPES, MOST_CPU_MODELS, MOST_CPU_FEATURES = 128, 256, 256


Q35 = "q35"
_Q35_VERSIONS = "pc-q35-"


def is_q35(machine_type: str) -> bool:
    """Whether a board has PCIe."""
    return machine_type == Q35 or machine_type.startswith(_Q35_VERSIONS)


UEFI_NEEDS_Q35 = rule(
    "!has(self.firmware) || self.firmware != 'UEFI' || !has(self.machineType)"
    f" || self.machineType == '{Q35}' || self.machineType.startsWith('{_Q35_VERSIONS}')",
    "with firmware UEFI machineType must be q35 or a version of it, for example pc-q35-7.2; it may be left out",
)


class Firmware(StrEnum):
    """What starts the machine."""

    BIOS = "BIOS"
    UEFI = "UEFI"


class Cpu(ApiModel):
    """The virtual processors."""

    model: CpuModel | None = None
    """A model that libvirt knows, for example Skylake-Server; or host-model, host-passthrough or maximum (all that the
    hypervisor can do). When absent, host-passthrough with KVM, and QEMU's qemu64 where guests are emulated."""
    features: Annotated[list[CpuFeature], Field(max_length=MOST_FEATURES, json_schema_extra=LIST_SET)] = []
    """Features that the guest must see, by libvirt's names, for example avx512f; at most 32."""


class Hardware(ApiModel):
    """What the machine is like beside its size. What is left out is what the Image requires, or the default."""

    machine_type: MachineType | None = None
    """The board: pc or q35, or a version of one, for example pc-q35-7.2. When absent, pc, and q35 with UEFI."""
    firmware: Firmware | None = None
    """BIOS, or UEFI without Secure Boot; BIOS when absent. UEFI's variables are kept while the Instance lives."""
    tpm: TpmVersion | None = None
    """2.0: an emulated TPM. What it holds is kept on the Instance's node while the Instance lives; none when absent."""
    cpu: Cpu | None = None
    """The virtual processors."""


class HardwareOffer(ApiModel):
    """What hardware guests can have on a node; its agent asks libvirt at its start."""

    machine_types: Annotated[
        list[_ReportedMachine], Field(max_length=MOST_MACHINE_TYPES, json_schema_extra=LIST_SET)
    ] = []
    """Boards, with their short names."""
    firmwares: Annotated[list[Firmware], Field(max_length=2, json_schema_extra=LIST_SET)] = []
    """What can start a guest."""
    tpm_versions: Annotated[list[TpmVersion], Field(max_length=1, json_schema_extra=LIST_SET)] = []
    """Versions of a TPM that can be emulated."""
    cpu_models: Annotated[
        list[_ReportedModel], Field(max_length=MOST_CPU_MODELS, json_schema_extra=LIST_SET)
    ] = []
    """Models that a guest can have, and of host-model, host-passthrough and maximum those that it can."""
    cpu_features: Annotated[
        list[_ReportedFeature], Field(max_length=MOST_CPU_FEATURES, json_schema_extra=LIST_SET)
    ] = []
    """Features that a guest's processor can have; at most 256, those of nested virtualization (vmx-…) last."""
