"""The virtual hardware that a node offers, and that a request needs. Plain frozen values, no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from orlop_api.hardware import Firmware, HardwareOffer

if TYPE_CHECKING:
    from orlop_operator.scheduling.facts import Host

UNTOLD = "have an agent that does not say what hardware it offers (upgrade it)"


@dataclass(frozen=True, slots=True)
class Offer:
    """What guests can have on a host."""

    machine_types: frozenset[str] = frozenset()
    firmwares: frozenset[str] = frozenset()
    tpm_versions: frozenset[str] = frozenset()
    cpu_models: frozenset[str] = frozenset()
    cpu_features: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HardwareNeed:
    """What a guest must have; what it takes as it comes is None."""

    machine_type: str | None = None
    uefi: bool = False
    """Every node can start a BIOS."""
    tpm: str | None = None
    """The version."""
    cpu_model: str | None = None
    cpu_features: tuple[str, ...] = ()


NO_NEED = HardwareNeed()


def offer_from(told: HardwareOffer | None) -> Offer | None:
    """As a node's agent reports it; None where that is too old to say."""
    if told is None:
        return None
    return _offer(
        tuple(told.machine_types),
        tuple(told.firmwares),
        tuple(told.tpm_versions),
        tuple(told.cpu_models),
        tuple(told.cpu_features),
    )


def among(found: Callable[[Offer], frozenset[str]], name: str) -> Callable[[Host], bool]:
    """A test of hosts: whether this is among what one offers."""
    return lambda host: host.hardware is not None and name in found(host.hardware)


@lru_cache(maxsize=64)
def _offer(
    machine_types: tuple[str, ...],
    firmwares: tuple[Firmware, ...],
    tpm_versions: tuple[str, ...],
    cpu_models: tuple[str, ...],
    cpu_features: tuple[str, ...],
) -> Offer:
    """One object for all nodes of a kind: thousands of them say the same few hundred names."""
    return Offer(
        frozenset(machine_types),
        frozenset(map(str, firmwares)),
        frozenset(tpm_versions),
        frozenset(cpu_models),
        frozenset(cpu_features),
    )
