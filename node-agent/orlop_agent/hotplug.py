"""NICs of a guest that runs, plugged in and out: what steps do, in the order that leaves nothing behind.

Journaled, wired, plugged in without a carrier, moved to its Network, connected; and back: asked for, gone from the
domain, unwired, forgotten by the journal. Broken off anywhere, the next look finds how far it came.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from orlop_agent import wired
from orlop_agent.domain.interface import added_interface
from orlop_agent.domain.spec import Nic
from orlop_agent.hypervisor import Hypervisor
from orlop_agent.journal import Journal, Record
from orlop_agent.observed import Observed
from orlop_agent.preparation import Preparation
from orlop_agent.wiring import Wiring
from orlop_api.assignment import AssignedNic, Assignment


class Hotplug:
    """For one Instance."""

    def __init__(
        self,
        instance_uid: str,
        hypervisor: Hypervisor,
        wiring: Wiring,
        journal: Journal,
        preparation: Preparation,
    ) -> None:
        self._uid = instance_uid
        self._hypervisor = hypervisor
        self._wiring = wiring
        self._journal = journal
        self._preparation = preparation

    async def attach(self, observed: Observed, tap: str) -> None:
        """Make the tap with all its rules, then plug a NIC on it in, which has no carrier yet."""
        order, record = _told(observed)
        nic = wired.ordered(order)[tap]
        nics = (*(known for known in record.nics if known.name != nic.name), nic)
        await self._note(record, nics)
        await self._wiring.add(self._uid, order.spec.instance.name, nics, nic)
        await self._preparation.tell(order)
        await self._hypervisor.attach_nic(self._uid, added_interface(Nic(tap, nic.mac_address, nic.mtu)))

    async def connect(self, observed: Observed, tap: str) -> None:
        """Move the tap to its Network, then give the guest a carrier."""
        order, _ = _told(observed)
        await self._wiring.plug(self._uid, [wired.ordered(order)[tap]])
        await self._hypervisor.connect_nic(self._uid, tap)

    async def drop(self, observed: Observed, tap: str) -> None:
        """Take away what is here of a NIC that no domain has."""
        order, record = _told(observed)
        old = wired.wired(observed, order)[tap]
        rest = tuple(nic for nic in record.nics if nic.name != old.name)
        await self._wiring.drop(self._uid, old)
        await self._preparation.tell(order)
        await self._note(record, rest)
        # Last: whoever repairs all Networks meanwhile has it from the journal that this one is used.
        self._wiring.use(self._uid, rest)

    async def _note(self, record: Record, nics: tuple[AssignedNic, ...]) -> None:
        if record.nics != nics:
            await asyncio.to_thread(self._journal.write, self._uid, replace(record, nics=nics))


def _told(observed: Observed) -> tuple[Assignment, Record]:
    if observed.assignment is None or observed.record is None:
        raise AssertionError("a step that needs order and journal was planned without")
    return observed.assignment, observed.record
