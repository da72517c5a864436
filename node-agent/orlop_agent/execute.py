"""Carry one step out. No choices here: `plan` made them all.

What a step teaches goes into the Instance's memory; a StepError says what did not work.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from orlop_agent import outcome, protocol, steps, tpm, wired
from orlop_agent.api.client import Client
from orlop_agent.api.errors import ApiError, ConflictError, ForbiddenError, InvalidError, UnreadableError
from orlop_agent.described import described
from orlop_agent.domain.build import domain_xml
from orlop_agent.domain.disk import added_disk
from orlop_agent.domain.limits import limits_of
from orlop_agent.failure import StepError
from orlop_agent.hotplug import Hotplug
from orlop_agent.hypervisor import Hypervisor, HypervisorError
from orlop_agent.journal import Journal, Record
from orlop_agent.ledger import Ledger, slot_of
from orlop_agent.makings import Makings
from orlop_agent.network.errors import NetworkError
from orlop_agent.observed import Memory, Observed, order_key
from orlop_agent.paths import Layout
from orlop_agent.preparation import Attempt, Preparation, Prepared
from orlop_agent.report import all_ready, timed
from orlop_agent.wiring import Wiring
from orlop_api.assignment import Assignment, AssignmentStatus, State

_PRESS_SECONDS = 5.0
"""Between two presses of the power button."""


@dataclass(frozen=True, slots=True)
class Services:
    """What steps act upon."""

    layout: Layout
    client: Client
    hypervisor: Hypervisor
    journal: Journal
    ledger: Ledger
    preparation: Preparation
    makings: Makings
    wiring: Wiring
    architecture: str
    disk_cache: str
    learn: Callable[[str, Assignment | None], None]
    """Tell the cache what the API server answered about an Instance."""


class Executor:
    """Carries out the steps of one Instance."""

    def __init__(self, instance_uid: str, services: Services) -> None:
        self._uid = instance_uid
        self._on = services
        self._prepared = Prepared()
        self._nics = Hotplug(
            instance_uid, services.hypervisor, services.wiring, services.journal, services.preparation
        )
        self.attempt: Attempt | None = None
        """The preparation under way."""

    async def execute(self, step: steps.Step, observed: Observed) -> Memory:
        """One step. StepError, or ConflictError where the Assignment is another one by now."""
        try:
            return await self._execute(step, observed)
        except HypervisorError as error:
            raise StepError("HypervisorError", str(error)) from error
        except NetworkError as error:
            raise StepError(error.reason, error.message) from error
        except OSError as error:
            # strerror names no path; the error itself would.
            raise StepError(
                "NodeError", f"the node's disk: {error.strerror or type(error).__name__}"
            ) from error
        except ConflictError:
            raise
        except UnreadableError as error:
            raise StepError(
                "NotUnderstood", "the order is newer than this node's agent: upgrade it"
            ) from error
        except (ForbiddenError, InvalidError) as error:
            raise StepError("NotAllowed", str(error)) from error
        except ApiError as error:
            raise StepError("ApiUnavailable", "the API server does not answer") from error

    async def _execute(self, step: steps.Step, observed: Observed) -> Memory:
        memory, on = observed.memory, self._on
        match step:
            case steps.Read():
                on.learn(self._uid, await on.client.assignment(self._uid))
                return memory
            case steps.Begin():
                return await self._begin(observed)
            case steps.Prepare():
                return await self._prepare(observed)
            case steps.TakeStart():
                return await self._take_start(observed)
            case steps.Create():
                return await self._create(observed)
            case steps.Resume():
                return await self._resume(observed)
            case steps.GoOn():
                await on.hypervisor.resume(self._uid)
                return outcome.went_on(memory, observed.now)
            case steps.PressPower():
                await on.hypervisor.shutdown(self._uid)
                deadline = observed.now + _order(observed).spec.stop_policy.timeout_seconds
                return replace(
                    memory,
                    power_off_at=memory.power_off_at or deadline,
                    press_again_at=observed.now + _PRESS_SECONDS,
                )
            case steps.Spare():
                until = memory.power_off_at or 0.0
                return replace(memory, power_off_at=None, press_again_at=0.0, asked_until=until)
            case steps.Destroy():
                await on.hypervisor.destroy(self._uid)
                return replace(memory, mine=None, orphan=None)
            case steps.MakeDisk(volume_uid=uid):
                await on.preparation.begin(self._uid, observed.volume(uid), observed.secret)
                return memory
            case steps.EndMaking(volume_uid=uid):
                await on.makings.drop(uid, self._uid)
                return memory
            case steps.AttachDisk(volume_uid=uid):
                await self._attach(observed, uid)
                return outcome.untroubled(memory, uid)
            case steps.LimitDisk(volume_uid=uid):
                limits = limits_of(observed.volume(uid))
                await on.hypervisor.limit_disk(self._uid, observed.target(uid), limits)
                return memory
            case steps.FitDisk(volume_uid=uid):
                target, volume = observed.target(uid), observed.volume(uid)
                size = await on.hypervisor.fit_disk(self._uid, target, await on.preparation.fitting(volume))
                return outcome.sized(memory, uid, size)
            case steps.GrowData(volume_uid=uid):
                size = await on.preparation.grow(observed.volume(uid), observed.secret)
                return outcome.sized(memory, uid, size)
            case steps.DetachDisk(volume_uid=uid):
                await on.hypervisor.detach_disk(self._uid, uid)
                return outcome.asked(memory, uid, observed.now)
            case steps.AttachNic(tap=tap):
                await self._nics.attach(observed, tap)
                return outcome.untroubled(memory, tap)
            case steps.ConnectNic(tap=tap):
                await self._nics.connect(observed, tap)
                return outcome.untroubled(memory, tap)
            case steps.DetachNic(tap=tap):
                await on.hypervisor.detach_nic(self._uid, tap)
                return outcome.asked(memory, tap, observed.now)
            case steps.DropNic(tap=tap):
                await self._nics.drop(observed, tap)
                return outcome.untroubled(memory, tap)
            case steps.NoteRunning():
                return await self._note_running(observed)
            case steps.NoteEnd(reason=None):
                await self._journal(replace(_record(observed), ran=None, ended=None))
                return outcome.not_asked(memory)
            case steps.NoteEnd(reason=reason):
                await self._journal(replace(_record(observed), ended=reason))
                return outcome.restart_later(memory, observed.now)
            case steps.Unwire():
                await on.wiring.detach(self._uid)
                return replace(memory, unwired=True, prepared=None)
            case steps.Erase():
                await on.preparation.erase(self._uid)
                return replace(memory, erased=True, prepared=None)
            case steps.Seal(state=state, reason=reason, message=message):
                await self._seal(state, observed)
                return replace(memory, sealed_for=(reason, message))
            case steps.AnswerFinal(reason=reason, message=message):
                status = protocol.final_write(
                    _order(observed),
                    _record(observed).entry,
                    created_volumes=observed.created_volumes,
                    reason=reason,
                    message=message,
                )
                await self._answer(_order(observed), status)
                return memory
            case steps.Report(status=status):
                await self._answer(_order(observed), status)
                return memory
            case steps.KeepOrphan(message=message):
                return replace(memory, orphan=message)
            case steps.Forget():
                await asyncio.to_thread(on.journal.remove, self._uid)
                return Memory(unwired=True, erased=True)
            case steps.Wait():
                return memory

    async def _begin(self, observed: Observed) -> Memory:
        order = _order(observed)
        self._on.ledger.take(self._uid, slot_of(order))
        spec, start_id = order.spec, str(uuid.uuid4())
        self._on.wiring.use(self._uid, spec.nics)  # what is said of their Networks is waited for soon
        entry = protocol.begin(order, observed.entry, start_id)
        await self._journal(
            Record(entry, hostname=spec.instance.name, nics=tuple(spec.nics), boot_id=observed.me.boot_id)
        )
        memory = outcome.not_asked(observed.memory)
        return replace(memory, start_id=start_id, mine=None, created=False, erased=False, unwired=False)

    async def _prepare(self, observed: Observed) -> Memory:
        order = _order(observed)
        self.attempt = Attempt(order.metadata.generation)
        record, nics = _record(observed), tuple(order.spec.nics)
        if record.nics != nics:  # they may have changed since this start was begun
            await self._journal(replace(record, nics=nics))
        self._prepared = await self._on.preparation.prepare(order, self.attempt)
        return replace(observed.memory, prepared=order_key(order), unwired=False)

    async def _take_start(self, observed: Observed) -> Memory:
        order, memory = _order(observed), observed.memory
        if memory.start_id is None:
            raise AssertionError
        mine = protocol.MyStart(order.metadata.uid, order.spec.epoch, memory.start_id)
        status = protocol.starting_write(order, observed.me, memory.start_id, observed.created_volumes)
        status = status.model_copy(update={"conditions": list(all_ready(order.metadata.generation))})
        record = _record(observed)
        entry = record.entry
        if protocol.has_own_root_disk(order):
            # That it is there is said by both; whichever is read later, the disk is never made anew.
            entry = protocol.with_root_disk(entry)
        journaled = asyncio.create_task(self._journal(replace(record, entry=entry)))
        try:
            await self._answer(order, status)
        except ApiError as error:
            if isinstance(error, ConflictError):
                raise
            # The reply may be lost and the write applied. After a no, this start is given up.
            fresh = await self._on.client.assignment(self._uid)
            self._on.learn(self._uid, fresh)
            if not protocol.is_my_start(fresh, mine):
                raise
        finally:
            await journaled
        return replace(memory, mine=mine)

    async def _create(self, observed: Observed) -> Memory:
        order = _order(observed).spec
        async with self._on.preparation.opening(order, *self._prepared.disks):
            if order.hardware is not None and order.hardware.tpm is not None:
                await asyncio.to_thread(tpm.link, self._on.layout, self._uid)
            spec = described(self._uid, _order(observed), observed, self._prepared, self._on)
            await self._on.hypervisor.create_paused(domain_xml(spec))
        return replace(observed.memory, created=True, prepared=None)

    async def _resume(self, observed: Observed) -> Memory:
        has = wired.in_domain(observed)
        nics = [nic for tap, nic in wired.ordered(_order(observed)).items() if tap in has]
        await self._on.wiring.plug(self._uid, nics)
        await self._on.hypervisor.resume(self._uid)
        return outcome.not_asked(await self._note_running(observed))

    async def _attach(self, observed: Observed, volume_uid: str) -> None:
        made = await self._on.preparation.volume(self._uid, observed.volume(volume_uid), observed.secret)
        has = observed.domain.disks if observed.domain is not None else ()
        async with self._on.preparation.opening(_order(observed).spec, made):
            await self._on.hypervisor.attach_disk(self._uid, added_disk(made, self._on.disk_cache, has))

    async def _note_running(self, observed: Observed) -> Memory:
        if observed.domain is None:
            raise AssertionError("a step that needs a domain was planned without one")
        await self._journal(replace(_record(observed), ran=observed.domain.mark.start_id, ended=None))
        return replace(observed.memory, running_since=observed.now)

    async def _seal(self, state: State, observed: Observed) -> None:
        order, record = _order(observed), observed.record
        sealed = protocol.seal(
            order, record.entry if record else None, state, has_root_disk=observed.has_root_disk
        )
        await self._journal(replace(record, entry=sealed) if record else Record(sealed))

    async def _answer(self, order: Assignment, wanted: AssignmentStatus) -> None:
        complete = timed(wanted, order.status, datetime.now(UTC))
        self._on.learn(self._uid, await self._on.client.answer(order, complete))

    async def _journal(self, record: Record) -> None:
        await asyncio.to_thread(self._on.journal.write, self._uid, record)


def _order(observed: Observed) -> Assignment:
    if observed.assignment is None:
        raise AssertionError("a step that needs an order was planned without one")
    return observed.assignment


def _record(observed: Observed) -> Record:
    if observed.record is None:
        raise AssertionError("a step that needs a journal was planned without one")
    return observed.record
