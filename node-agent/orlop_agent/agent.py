"""The agent: events in, each only a key to look at; one worker for each Instance that there is something of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog

from orlop_agent.api import backoff
from orlop_agent.api.client import Client
from orlop_agent.api.errors import UnreadableError
from orlop_agent.api.http import Body
from orlop_agent.api.reading import read
from orlop_agent.api.watch import Changed, Gone, Listed
from orlop_agent.cache import Cache
from orlop_agent.execute import Services
from orlop_agent.hypervisor import DomainEvent, Ended, HypervisorError, Moved, Reconnected
from orlop_agent.inventory import Inventory
from orlop_agent.ledger import holds_slot, slot_in, slot_of
from orlop_agent.network.errors import NetworkError
from orlop_agent.node import VirtualizationType
from orlop_agent.protocol import Me
from orlop_agent.storage import StorageWork
from orlop_agent.volume.drivers import Drivers
from orlop_agent.worker import Worker
from orlop_api.assigned_image import boot_digests, digests
from orlop_api.assignment import FINAL, AssignedNic, AssignedVolume, Assignment, AssignmentSpec
from orlop_api.hypervisor import Orphan

RESYNC = 300.0
"""Seconds between looks at everything, for what no event told."""

_log = structlog.get_logger()


class Agent:
    """One node."""

    def __init__(
        self,
        me: Me,
        virtualization_type: VirtualizationType,
        client: Client,
        cache: Cache,
        services: Services,
        volumes: Drivers,
        inventory: Inventory,
        storage: StorageWork,
    ) -> None:
        self._me = me
        self._virtualization_type = virtualization_type
        self._client = client
        self._cache = cache
        self._on = services
        self._volumes = volumes
        self._inventory = inventory
        self._storage = storage
        self._workers: dict[str, Worker] = {}
        self._listed = asyncio.Event()
        self._unread: set[str] = set()
        """Instances whose Assignment, as it is now, this agent does not understand."""
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Work until cancelled. Guests go on when this ends."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._on.hypervisor.listen(self._happened)
            tasks.create_task(self._follow_assignments(), name="assignments")
            tasks.create_task(self._resync(), name="resync")
            tasks.create_task(self._inventory.run(self.orphans), name="inventory")

    def wake(self, instance_uid: str) -> None:
        """Look at the Instance, soon."""
        worker = self._workers.get(instance_uid)
        if worker is not None:
            worker.wake()
            return
        if self._tasks is None:
            raise AssertionError
        worker = Worker(
            instance_uid,
            self._me,
            self._virtualization_type,
            self._cache,
            self._on,
            self._volumes,
            self._inventory.look,
        )
        self._workers[instance_uid] = worker
        self._tasks.create_task(self._work(instance_uid, worker), name=instance_uid)

    def learn(self, instance_uid: str, assignment: Assignment | None) -> None:
        """What the API server said of an Instance: by watch, by read, or in answer to a write."""
        self._storage.wake()
        if assignment is None:
            self._cache.drop(instance_uid)
            self._release(instance_uid)
            return
        if not self._cache.put(assignment):
            return
        status, record = assignment.status, self._on.journal.peek(instance_uid)
        final = status is not None and status.epoch == assignment.spec.epoch and status.state in FINAL
        if assignment.spec.node_name != self._me.node or final:
            self._release(instance_uid)
        elif holds_slot(assignment, record.entry if record else None):
            self._on.ledger.take(instance_uid, slot_of(assignment))

    def orphans(self) -> list[Orphan]:
        """Domains that nothing says whose they are."""
        return [
            Orphan(instance_uid=uid, epoch=worker.domain.mark.epoch, message=worker.memory.orphan)
            for uid, worker in self._workers.items()
            if worker.domain is not None and worker.memory.orphan is not None
        ]

    def volumes_in_use(self) -> set[tuple[str, int | None]]:
        """Uid and generation of what an Assignment of this node has of Volumes."""
        return {
            (volume.volume_uid, volume.location.generation)
            for assignment in self._cache.of_node(self._me.node)
            if assignment.status is None or assignment.status.state not in FINAL
            for volume in assignment.spec.volumes
        }

    def volume(self, uid: str) -> AssignedVolume | None:
        """What an Assignment of this node has, by its uid."""
        return next(
            (
                volume
                for assignment in self._cache.of_node(self._me.node)
                if assignment.status is None or assignment.status.state not in FINAL
                for volume in assignment.spec.volumes
                if volume.volume_uid == uid
            ),
            None,
        )

    def images_in_use(self) -> set[str] | None:
        """Digests that may not leave the cache: of Assignments, stopped ones too. None until all is listed and read."""
        wanted = self._inventory.images_in_use()
        if wanted is None or self._unread or not self._listed.is_set():
            return None
        ordered = (
            _digests(assignment.spec)
            for assignment in self._cache.of_node(self._me.node)
            if assignment.status is None or assignment.status.state not in FINAL
        )
        return wanted.union(*ordered)

    async def _work(self, instance_uid: str, worker: Worker) -> None:
        """One Instance's worker; a mistake of ours in one must not end the others."""
        waits = backoff.delays(first=1.0, most=300.0)
        while True:
            try:
                await worker.run()
            except (Exception, asyncio.CancelledError):
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise  # the agent ends; else what the worker waited for was cancelled, not the worker
                # Told in full, and tried again: other Instances go on.
                _log.exception("instance.bug", instance=instance_uid)
                await asyncio.sleep(next(waits))
                continue
            if worker.idle:
                del self._workers[instance_uid]
                return

    def room(self) -> None:
        """There may be more of it now: whoever waits looks again."""
        for worker in self._workers.values():
            if worker.short_of_room:
                worker.wake()

    def _release(self, instance_uid: str) -> None:
        if self._on.ledger.release(instance_uid):
            self.room()

    def _happened(self, event: DomainEvent) -> None:
        match event:
            case Ended(instance_uid=uid):
                self.wake(uid)
                self._workers[uid].ended(event)
            case Moved(instance_uid=uid):
                self.wake(uid)
            case Reconnected():
                self._wake_all(())

    async def _follow_assignments(self) -> None:
        # What does not fit is refused for good, so it has to be known before what holds for the node.
        await self._inventory.asked()
        async for event in self._client.watch_assignments():
            match event:
                case Listed(objects):
                    listed = {_name(found): found for found in objects}
                    gone = {*self._cache, *self._unread} - set(listed)
                    for uid in gone:
                        self._gone(uid)
                    for found in listed.values():
                        self._found(found)
                    self._wake_all((*listed, *gone))
                    self._listed.set()
                case Changed(found):
                    self._found(found)
                    self.wake(_name(found))
                case Gone(found):
                    self._gone(_name(found))
                    self.wake(_name(found))

    def _found(self, found: Body) -> None:
        try:
            assignment = read(Assignment, found)
        except UnreadableError as error:
            # What was known of it stays known, and the others are not to suffer.
            self._unread.add(_name(found))
            if not self._on.ledger.holds(_name(found)):
                self._on.ledger.take(_unread(_name(found)), slot_in(found))
            _log.error("assignment.unreadable", instance=_name(found), error=str(error))
        else:
            self.learn(_name(found), assignment)
            self._understood(_name(found))

    def _gone(self, instance_uid: str) -> None:
        """It is not among the node's any more: to be read, never to be taken for deleted."""
        self._cache.drop(instance_uid)
        self._understood(instance_uid)

    def _understood(self, instance_uid: str) -> None:
        self._unread.discard(instance_uid)
        self._release(_unread(instance_uid))

    def _wake_all(self, also: Sequence[str]) -> None:
        for uid in {*self._workers, *self._on.journal.instances(), *also}:
            self.wake(uid)

    async def _resync(self) -> None:
        """At the start, when the first list is there, and every few minutes: everything."""
        await self._wake_domains()
        await self._listed.wait()
        while True:
            started = time.monotonic()
            await self._wake_domains()
            self._wake_all(())
            await self._resync_networks()
            self._inventory.look()
            await asyncio.sleep(max(1.0, RESYNC - (time.monotonic() - started)))

    async def _wake_domains(self) -> None:
        """Guests that no journal and no Assignment tells of."""
        try:
            for domain in await self._on.hypervisor.list_all():
                self.wake(domain.mark.instance_uid)
        except HypervisorError as error:
            _log.warning("resync.hypervisor", error=str(error))

    async def _resync_networks(self) -> None:
        """What is known by the journal is wanted, also while the API server says nothing of it."""
        try:
            running = {domain.mark.instance_uid for domain in await self._on.hypervisor.list_all()}
            wanted: dict[str, tuple[str, Sequence[AssignedNic]]] = {}
            unknown: set[str] = set()
            for uid in self._on.journal.instances():
                record = self._on.journal.peek(uid)
                worker = self._workers.get(uid)
                starting = worker is not None and worker.memory.starting
                if record is None:
                    _log.warning("resync.networks", instance=uid, error="damaged journal: its NICs stay")
                    unknown.add(uid)
                elif record.nics and (uid in running or starting):
                    wanted[uid] = (record.hostname, record.nics)
            await self._on.wiring.resync(wanted, unknown)
        except (HypervisorError, NetworkError) as error:
            _log.warning("resync.networks", error=str(error))


def _unread(instance_uid: str) -> str:
    """Who holds the slot of an order that is not understood: its guest may run, and it was never looked at for room."""
    return f"unread {instance_uid}"


def _name(found: Body) -> str:
    """An Assignment's, which is the uid of its Instance."""
    return str(found["metadata"]["name"])


def _digests(order: AssignmentSpec) -> set[str]:
    """Of all files of the images that an order names: its own, and those that its Volumes begin as."""
    origins = (volume.origin.image for volume in order.volumes if volume.origin is not None)
    used = {digest for image in origins if image is not None for digest in digests(image)}
    if order.image is None:
        return used
    return used | (digests(order.image) if order.boot_volume_uid is None else boot_digests(order.image))
