"""The hypervisor of a simulated node: it takes its time, and keeps no record of what it was asked."""

from __future__ import annotations

from orlop_agent.hypervisor import EndReason
from orlop_agent.simulate import SimulatedHypervisor
from orlop_agent.simulation.latencies import Latencies, take


class SimulatedGuests(SimulatedHypervisor):
    """Domains in memory."""

    def __init__(self, latencies: Latencies) -> None:
        super().__init__()
        self._latencies = latencies

    async def create_paused(self, xml: str) -> None:
        await take(self._latencies.define)
        await super().create_paused(xml)
        # Tests look at descriptions; here they would only be memory.
        self.xml.clear()

    async def resume(self, instance_uid: str) -> None:
        await take(self._latencies.start)
        await super().resume(instance_uid)

    def end(self, instance_uid: str, reason: EndReason) -> None:
        super().end(instance_uid, reason)
        self.sizes.pop(instance_uid, None)

    def _enter(self, call: str, instance_uid: str) -> None:
        """Nobody asks later."""
