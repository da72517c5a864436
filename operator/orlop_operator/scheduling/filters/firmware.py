"""The node has UEFI firmware, where the guest is started by that; a BIOS is everywhere."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_api.hardware import Firmware
from orlop_operator.scheduling.facts import Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.hardware import UNTOLD, among
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, request: Request) -> Mask:
    if not request.hardware.uefi:
        return world.every
    return world.where(("firmware", Firmware.UEFI), among(lambda offer: offer.firmwares, Firmware.UEFI))


def explain(world: World, _request: Request, rejected: Mask) -> Iterable[Rejection]:
    return grouped(world, rejected, lambda host: UNTOLD if host.hardware is None else "have no UEFI firmware")
