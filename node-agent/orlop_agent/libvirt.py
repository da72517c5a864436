"""The hypervisor behind libvirt; nothing else but `libvirt_export` and `libvirt_offer` imports its binding.

Calls block, so they run in a few threads of their own, each with a deadline. A call whose deadline passes may
still take effect: whoever made it looks again. libvirt's event loop has a thread too; events come over to
asyncio. When libvirtd restarts, guests go on: the next call connects again, and everything is looked at.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import libvirt
import structlog

from orlop_agent import libvirt_export, libvirt_offer
from orlop_agent.api import backoff
from orlop_agent.domain import interface
from orlop_agent.domain.build import NAME_PREFIX
from orlop_agent.domain.disk import alias_of
from orlop_agent.domain.limits import parameters
from orlop_agent.domain.live import read_domain
from orlop_agent.domain.secret import secret_uuid, secret_xml
from orlop_agent.hypervisor import (
    ConnectionLostError,
    Domain,
    DomainEvent,
    DomainExistsError,
    Ended,
    EndReason,
    Export,
    HypervisorError,
    Limits,
    Moved,
    Power,
    Reconnected,
    SecretUsage,
)
from orlop_api.hardware import HardwareOffer

T = TypeVar("T")

_CALL_SECONDS = 15.0
_CREATE_SECONDS = 120.0
_DESTROY_SECONDS = 30.0
_EXPORT_SECONDS = 60.0
_ATTACH_SECONDS = 60.0
_OFFER_SECONDS = 60.0
_THREADS = 16
_KEEPALIVE = (5, 3)
"""Seconds between questions, and how many may stay without an answer."""

_ENDINGS = {
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN: EndReason.SHUTDOWN,
    libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED: EndReason.DESTROYED,
}
"""Every other detail is a crash: the guest panicked, its process died, its start failed."""
_LOST = {
    libvirt.VIR_ERR_NO_CONNECT,
    libvirt.VIR_ERR_INVALID_CONN,
    libvirt.VIR_ERR_RPC,
    libvirt.VIR_ERR_SYSTEM_ERROR,
    libvirt.VIR_ERR_NO_SOURCE,
}

_PATH = re.compile(r"(?<=')/[^']+|(?<=\")/[^\"]+|(?<!\w)/[^\s'\",;:()]+")
"""An absolute path: all of it within quotes, where it may hold blanks, and else up to what cannot be of it."""

_log = structlog.get_logger()


class LibvirtHypervisor:
    """One connection to the libvirtd of this node."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._loop = asyncio.get_running_loop()
        self._calls = ThreadPoolExecutor(_THREADS, thread_name_prefix="libvirt")
        self._listeners: list[Callable[[DomainEvent], None]] = []
        self._connection: Any = None
        self._callbacks: list[int] = []
        self._connecting = asyncio.Lock()
        self._was_connected = False
        self._reconnecting: asyncio.Task[None] | None = None
        _run_events()

    async def create_paused(self, xml: str) -> None:
        def create(connection: Any) -> None:
            try:
                connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_OPERATION_FAILED and "already" in str(error):
                    raise DomainExistsError("a domain of this Instance is there already") from error
                raise

        await self._call(create, _CREATE_SECONDS)

    async def resume(self, instance_uid: str) -> None:
        await self._on_domain(instance_uid, lambda domain: domain.resume())

    async def shutdown(self, instance_uid: str) -> None:
        await self._on_domain(
            instance_uid, lambda domain: domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
        )

    async def destroy(self, instance_uid: str) -> None:
        await self._on_domain(instance_uid, lambda domain: domain.destroy(), _DESTROY_SECONDS)

    async def keep_secret(self, usage: SecretUsage, name: str, secret: bytes) -> None:
        def keep(connection: Any) -> None:
            # Ephemeral and private: libvirtd keeps it in memory, and gives it to QEMU alone.
            made = connection.secretDefineXML(secret_xml(usage, name))
            made.setValue(secret)

        await self._call(keep)

    async def forget_secret(self, name: str) -> None:
        def forget(connection: Any) -> None:
            try:
                connection.secretLookupByUUIDString(secret_uuid(name)).undefine()
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_SECRET:
                    raise

        await self._call(forget)

    async def attach_disk(self, instance_uid: str, xml: str) -> None:
        await self._on_domain(
            instance_uid,
            lambda domain: domain.attachDeviceFlags(xml, libvirt.VIR_DOMAIN_AFFECT_LIVE),
            _ATTACH_SECONDS,
        )

    async def detach_disk(self, instance_uid: str, volume_uid: str) -> None:
        await self._on_domain(instance_uid, lambda domain: _ask_back(domain, alias_of(volume_uid)))

    async def attach_nic(self, instance_uid: str, xml: str) -> None:
        await self.attach_disk(instance_uid, xml)

    async def connect_nic(self, instance_uid: str, tap: str) -> None:
        def connect(domain: Any) -> None:
            wanted = interface.connected(domain.XMLDesc(), tap)
            if wanted is not None:
                domain.updateDeviceFlags(wanted, libvirt.VIR_DOMAIN_AFFECT_LIVE)

        await self._on_domain(instance_uid, connect)

    async def detach_nic(self, instance_uid: str, tap: str) -> None:
        def ask(domain: Any) -> None:
            alias = interface.alias(domain.XMLDesc(), tap)
            if alias is not None:
                _ask_back(domain, alias)

        await self._on_domain(instance_uid, ask)

    async def limit_disk(self, instance_uid: str, target: str, limits: Limits) -> None:
        wanted = parameters(limits)
        await self._on_domain(
            instance_uid,
            lambda domain: domain.setBlockIoTune(target, wanted, libvirt.VIR_DOMAIN_AFFECT_LIVE),
        )

    async def fit_disk(self, instance_uid: str, target: str, size: int) -> int | None:
        def fit(domain: Any) -> int:
            has: int = domain.blockInfo(target)[0]
            if has >= size:  # a smaller size would cut data off
                return has
            domain.blockResize(target, size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
            return size

        return await self._on_domain(instance_uid, fit)

    async def begin_export(self, instance_uid: str, export: Export) -> bool:
        def begin(domain: Any) -> bool:
            known = _described(domain)
            return libvirt_export.begin(domain, known.disks if known is not None else (), export)

        frozen = await self._on_domain(instance_uid, begin, _EXPORT_SECONDS)
        if frozen is None:
            raise HypervisorError("the guest is gone")
        return frozen

    async def end_export(self, instance_uid: str) -> None:
        await self._on_domain(instance_uid, libvirt_export.end)

    async def lookup(self, instance_uid: str) -> Domain | None:
        def look(domain: Any) -> Domain:
            found = _described(domain)
            if found is None:
                raise HypervisorError("a domain of this uid is there, and nothing says that it is Orlop's")
            return found

        return await self._on_domain(instance_uid, look)

    async def list_all(self) -> list[Domain]:
        def all_of_ours(connection: Any) -> list[Domain]:
            ours = (d for d in connection.listAllDomains() if d.name().startswith(NAME_PREFIX))
            return [found for found in map(_unless_gone, ours) if found is not None]

        return await self._call(all_of_ours)

    async def versions(self) -> tuple[str, str]:
        def ask(connection: Any) -> tuple[str, str]:
            return _dotted(connection.getLibVersion()), _dotted(connection.getVersion())

        return await self._call(ask)

    async def hardware(self, architecture: str, virtualization_type: str) -> HardwareOffer:
        return await self._call(
            lambda connection: libvirt_offer.ask(connection, architecture, virtualization_type),
            _OFFER_SECONDS,
        )

    def listen(self, listener: Callable[[DomainEvent], None]) -> None:
        self._listeners.append(listener)

    async def close(self) -> None:
        """Leave the daemon; domains go on."""
        if self._reconnecting is not None:
            self._reconnecting.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._loop.run_in_executor(self._calls, self._disconnect, connection)
        self._calls.shutdown(wait=False, cancel_futures=True)

    async def _on_domain(
        self, instance_uid: str, act: Callable[[Any], T], seconds: float = _CALL_SECONDS
    ) -> T | None:
        """Act on the Instance's domain; None, and nothing done, where it is gone."""

        def find_and_act(connection: Any) -> T | None:
            try:
                return act(connection.lookupByUUIDString(instance_uid))
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN or _is_over(error):
                    return None
                raise

        return await self._call(find_and_act, seconds)

    async def _call(self, call: Callable[[Any], T], seconds: float = _CALL_SECONDS) -> T:
        connection = await self._connected()
        try:
            async with asyncio.timeout(seconds):
                return await self._loop.run_in_executor(self._calls, call, connection)
        except TimeoutError as error:
            raise HypervisorError(f"libvirtd did not answer within {seconds:.0f} s") from error
        except libvirt.libvirtError as error:
            if error.get_error_code() in _LOST and not _alive(connection):
                self._lost(connection)
                raise ConnectionLostError("the connection to libvirtd was lost") from error
            raise HypervisorError(_sentence(error)) from error

    async def _connected(self) -> Any:
        if self._connection is not None:
            return self._connection
        async with self._connecting:
            if self._connection is None:
                try:
                    async with asyncio.timeout(_CALL_SECONDS):
                        self._connection = await self._loop.run_in_executor(self._calls, self._connect)
                except TimeoutError as error:
                    raise ConnectionLostError("libvirtd does not answer") from error
                except libvirt.libvirtError as error:
                    raise ConnectionLostError(_sentence(error)) from error
                if self._was_connected:
                    self._tell(Reconnected())
                self._was_connected = True
            return self._connection

    def _connect(self) -> Any:
        """In a thread: open, ask for events, and to be told when the daemon goes."""
        connection = libvirt.open(self._uri)
        connection.registerCloseCallback(self._on_close, None)
        if connection.getURI().startswith("qemu"):
            connection.setKeepAlive(*_KEEPALIVE)
        self._callbacks = [
            connection.domainEventRegisterAny(None, event, heard, None)
            for event, heard in (
                (libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_lifecycle),
                (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, self._on_device),
                (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, self._on_device),
                (libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, self._on_device),
            )
        ]
        return connection

    def _disconnect(self, connection: Any) -> None:
        """In a thread; a daemon that is gone already is as good."""
        try:
            for callback in self._callbacks:
                connection.domainEventDeregisterAny(callback)
            connection.unregisterCloseCallback()
            connection.close()
        except libvirt.libvirtError as error:
            _log.info("libvirt.close", error=str(error))

    def _on_close(self, connection: Any, _reason: int, _opaque: object) -> None:
        """In libvirt's thread."""
        self._loop.call_soon_threadsafe(self._lost, connection)

    def _lost(self, connection: Any) -> None:
        if self._connection is not connection:
            return
        self._connection = None
        _log.warning("libvirt.lost")
        if self._reconnecting is None or self._reconnecting.done():
            self._reconnecting = self._loop.create_task(self._reconnect(), name="libvirt")

    async def _reconnect(self) -> None:
        for delay in backoff.delays(first=0.5, most=10.0):
            try:
                await self._connected()
            except ConnectionLostError:
                await asyncio.sleep(delay)
            else:
                return

    def _on_lifecycle(self, _connection: Any, domain: Any, event: int, detail: int, _opaque: object) -> None:
        """In libvirt's thread."""
        if not domain.name().startswith(NAME_PREFIX):
            return
        uid = domain.UUIDString()
        happened: DomainEvent = Moved(uid)
        if event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
            happened = Ended(uid, _ENDINGS.get(detail, EndReason.CRASHED))
        elif event == libvirt.VIR_DOMAIN_EVENT_SUSPENDED:
            happened = Moved(uid, halted=detail == libvirt.VIR_DOMAIN_EVENT_SUSPENDED_IOERROR)
        elif event == libvirt.VIR_DOMAIN_EVENT_STARTED:
            # Only this agent starts: it knows. A guest that was paused by hand is resumed by hand.
            return
        self._loop.call_soon_threadsafe(self._tell, happened)

    def _on_device(self, _connection: Any, domain: Any, _alias: str, _opaque: object) -> None:
        """In libvirt's thread: a device came, went, or was asked for in vain."""
        if domain.name().startswith(NAME_PREFIX):
            self._loop.call_soon_threadsafe(self._tell, Moved(domain.UUIDString()))

    def _tell(self, event: DomainEvent) -> None:
        for listener in self._listeners:
            listener(event)


def _ask_back(domain: Any, alias: str) -> None:
    """Ask the guest to let go of a device."""
    try:
        # The other way to detach waits for the guest's answer, in one of a few threads.
        domain.detachDeviceAlias(alias, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    except libvirt.libvirtError as error:
        gone = error.get_error_code() == libvirt.VIR_ERR_DEVICE_MISSING
        if not gone and "in the process of unplug" not in str(error):
            raise


def _described(domain: Any) -> Domain | None:
    """The domain as the agent sees it; None for one without a mark, which is not Orlop's."""
    xml = domain.XMLDesc()
    state, reason = domain.state()
    found = read_domain(xml, _POWER.get(state, Power.ENDING))
    halted = (state, reason) == (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_IOERROR)
    if found is None or not halted:
        return found
    # Asked only now: it is QEMU that answers, and one that hangs must not keep its guest from being looked at.
    errors = domain.diskErrors()
    full = (name for name, code in errors.items() if code == libvirt.VIR_DOMAIN_DISK_ERROR_NO_SPACE)
    return replace(found, failed=tuple(sorted(full)))


_POWER = {
    libvirt.VIR_DOMAIN_RUNNING: Power.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: Power.RUNNING,
    libvirt.VIR_DOMAIN_PMSUSPENDED: Power.RUNNING,
    # Until its process is gone, a guest that is shutting down runs.
    libvirt.VIR_DOMAIN_SHUTDOWN: Power.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: Power.PAUSED,
}


def _unless_gone(domain: Any) -> Domain | None:
    try:
        return _described(domain)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise


def _is_over(error: Any) -> bool:
    """The domain ended between looking it up and acting on it."""
    return bool(error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID and "not running" in str(error))


def _alive(connection: Any) -> bool:
    try:
        return bool(connection.isAlive())
    except libvirt.libvirtError:
        return False


def _sentence(error: Any) -> str:
    """Libvirt's own message for a tenant to read; with the paths that it may name it is in the log only."""
    said = str(error.get_error_message() or "libvirtd refused without a reason")
    told = _PATH.sub("…", said)
    if told != said:
        _log.warning("libvirt.refused", error=said)
    return told


def _dotted(version: int) -> str:
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"


_events_started = threading.Lock()
_events_thread: threading.Thread | None = None


def _run_events() -> None:
    """Libvirt's event loop, once for each process, before the first connection is opened."""
    global _events_thread  # noqa: PLW0603 - the library's loop is one for the process
    with _events_started:
        if _events_thread is not None:
            return
        libvirt.registerErrorHandler(
            lambda _opaque, _error: None, None
        )  # errors are raised; stderr stays clean
        libvirt.virEventRegisterDefaultImpl()
        _events_thread = threading.Thread(target=_events, name="libvirt events", daemon=True)
        _events_thread.start()


def _events() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
