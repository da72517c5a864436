"""The hardware that an Instance asks for and its Image requires, as one. Pure.

As with Nova, where the two contradict each other nothing is started: neither is stronger.
"""

from __future__ import annotations

from orlop_api.hardware import Q35, Cpu, Firmware, Hardware, is_q35
from orlop_api.requirements import Requirements
from orlop_operator.reconcile.instance.facts import Blocker
from orlop_operator.scheduling import HardwareNeed

_FAMILIES = {"pc": "pc-i440fx-", Q35: "pc-q35-"}


def merged(asked: Hardware | None, needs: Requirements | None, what: str) -> Hardware | Blocker | None:
    """What is not the default; `what` names whose requirements these are. None where all of it is."""
    own, needs = asked or Hardware(), needs or Requirements()
    conflict = _conflict(own, needs)
    if conflict is not None:
        required, said = conflict
        return Blocker("HardwareMismatch", f"{what} requires {required}, and spec.hardware says {said}")
    uefi = (own.firmware or needs.firmware) is Firmware.UEFI
    made = Hardware(
        machine_type=_more_exact(own.machine_type, needs.machine_type) or (Q35 if uefi else None),
        firmware=Firmware.UEFI if uefi else None,
        tpm=own.tpm or needs.tpm,
        cpu=_cpu(own.cpu or Cpu(), needs.cpu_features),
    )
    return made if made != Hardware() else None


def need(hardware: Hardware | None) -> HardwareNeed:
    """The same, as the scheduler is asked for it."""
    if hardware is None:
        return HardwareNeed()
    cpu = hardware.cpu or Cpu()
    return HardwareNeed(
        machine_type=hardware.machine_type,
        uefi=hardware.firmware is Firmware.UEFI,
        tpm=hardware.tpm,
        cpu_model=cpu.model,
        cpu_features=tuple(cpu.features),
    )


def _conflict(own: Hardware, needs: Requirements) -> tuple[str, str] | None:
    """What is required, and what is said instead. Each of the two is sound by itself, as admission sees to it."""
    if own.firmware is not None and needs.firmware not in {None, own.firmware}:
        return f"firmware {needs.firmware}", str(own.firmware)
    said, required = own.machine_type, needs.machine_type
    if said is not None and required is not None and not (_is(said, required) or _is(required, said)):
        return f"machineType {required}", said
    if own.firmware is Firmware.UEFI and required is not None and not is_q35(required):
        return f"machineType {required}", "firmware UEFI, which needs q35"
    if needs.firmware is Firmware.UEFI and said is not None and not is_q35(said):
        return "firmware UEFI, which needs machineType q35", said
    return None


def _is(one: str, other: str) -> bool:
    """Whether a board is the other, or a version of it."""
    return one == other or (other in _FAMILIES and one.startswith(_FAMILIES[other]))


def _more_exact(one: str | None, other: str | None) -> str | None:
    """Of two that agree the one that names a version."""
    if one is None or other is None:
        return one or other
    return one if _is(one, other) else other


def _cpu(own: Cpu, required: list[str]) -> Cpu | None:
    made = Cpu(model=own.model, features=sorted({*own.features, *required}))
    return made if made != Cpu() else None
