"""What the node gives to guests: what it has, times the ratios that hold for it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from orlop_api.capacity import Capacity, Ratios

_ROUND = 1 << 20
_THOUSANDTH = Decimal("0.001")


class Allocation:
    """The ratios that the operator wrote into the node's Hypervisor; of those that it left out the node's own.

    A lower one ends nothing: what is held stays held, and nothing new fits until there is room again.
    """

    def __init__(self, vcpu_ratio: float = 1.0) -> None:
        self._own = Decimal(str(vcpu_ratio))
        self._told = Ratios()
        self._has = Capacity(vcpus=0, memory_bytes=0, disk_bytes=0)
        self._raised: Callable[[], None] = lambda: None

    def listen(self, raised: Callable[[], None]) -> None:
        """Call it when there may be more room than before: from whichever thread measures, too."""
        self._raised = raised

    def follow(self, told: Ratios | None) -> None:
        """These hold from now on."""
        told = told or Ratios()
        if told != self._told:
            self._told = told
            self._raised()

    def ratios(self) -> Ratios:
        """Those that hold, each of them."""
        vcpus, memory, disk = self._all()
        return Ratios(vcpus=_text(vcpus), memory=_text(memory), disk=_text(disk))

    def measured(self, has: Capacity) -> Capacity:
        """The node has this much now; what is given of it, in reports and to orders alike."""
        before, self._has = self._has, has
        if _grew(before, has):
            self._raised()
        return self.of(has)

    def given(self) -> Capacity:
        """What is given of what was measured last."""
        return self.of(self._has)

    def of(self, has: Capacity) -> Capacity:
        """What is given where the node has this much; memory and disk in whole MiB."""
        vcpus, memory, disk = self._all()
        return Capacity(
            vcpus=int(has.vcpus * vcpus),
            memory_bytes=int(has.memory_bytes * memory) // _ROUND * _ROUND,
            disk_bytes=int(has.disk_bytes * disk) // _ROUND * _ROUND,
        )

    def _all(self) -> tuple[Decimal, Decimal, Decimal]:
        told = self._told
        return Decimal(told.vcpus or self._own), Decimal(told.memory or 1), Decimal(told.disk or 1)


def _grew(before: Capacity, now: Capacity) -> bool:
    return (
        now.vcpus > before.vcpus
        or now.memory_bytes > before.memory_bytes
        or now.disk_bytes > before.disk_bytes
    )


def _text(ratio: Decimal) -> str:
    text = str(ratio.quantize(_THOUSANDTH))
    return text.rstrip("0").rstrip(".")
