"""What the agent needs of a hypervisor, and nothing more. `libvirt` implements it; `simulate` stands in.

A domain here is transient: it exists from its creation until it ends, and then nothing is left of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol

from orlop_api.hardware import HardwareOffer

SecretUsage = Literal["iscsi", "ceph", "volume"]
"""What a secret opens, in libvirt's words (formatsecret.html)."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What a domain carries in its metadata, so that whoever finds it knows whose it is."""

    instance_uid: str
    assignment_uid: str
    epoch: int
    start_id: str
    namespace: str
    name: str


class Power(StrEnum):
    """What a domain does."""

    RUNNING = "Running"
    PAUSED = "Paused"
    """Created and never run, or halted by its hypervisor."""
    ENDING = "Ending"
    """Shut down or crashed, about to disappear."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a guest may do with a disk in a second, reads and writes together; 0 is no limit."""

    iops: int = 0
    bandwidth: int = 0
    """Bytes."""
    burst_iops: int = 0
    burst_bandwidth: int = 0
    """Bytes."""
    burst_seconds: int = 0
    """How long a burst may last; 0 where there is none."""


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class DomainDisk:
    """One disk that a domain has now."""

    target: str
    """Its name among the domain's disks: vda."""
    volume_uid: str | None = None
    """The Volume that it is; None for the root disk and the seed."""
    readonly: bool = False
    limits: Limits = NO_LIMITS
    shareable: bool = False
    """Whether other domains may have it too, and write to it."""


@dataclass(frozen=True, slots=True)
class DomainNic:
    """One NIC that a domain has now."""

    tap: str
    mac: str
    connected: bool = True
    """Whether its guest sees a carrier; one that was plugged in has none until its tap is in its Network."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of Orlop's, as it was found."""

    mark: Mark
    power: Power
    disks: tuple[DomainDisk, ...] = ()
    nics: tuple[DomainNic, ...] = ()
    failed: tuple[str, ...] | None = None
    """Where the hypervisor halted the guest because a disk failed it: names of the disks that have no room to grow
    in, as far as they are known. None for a guest that runs, or that somebody else paused."""


@dataclass(frozen=True, slots=True)
class Export:
    """What one disk of a running domain holds at one moment, offered by NBD for as long as it takes to read it."""

    volume_uid: str
    name: str
    """The export's name."""
    socket: Path
    """Where it is offered."""
    scratch: Path
    """Keeps what the guest overwrites meanwhile; gone with the offer."""
    quiesce: bool
    """Whether the guest's agent is asked to freeze its file systems for the moment."""
    scratch_secret: str | None = None
    """Where the scratch file is there already, as a qcow2 with LUKS: by what the hypervisor knows its passphrase."""


class EndReason(StrEnum):
    """Why a domain ended."""

    SHUTDOWN = "Shutdown"
    """The guest powered itself off, asked or not."""
    CRASHED = "Crashed"
    """The guest panicked, or its process died."""
    DESTROYED = "Destroyed"
    """Somebody pulled the plug."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A domain is gone."""

    instance_uid: str
    reason: EndReason


@dataclass(frozen=True, slots=True)
class Moved:
    """A domain changed otherwise: look at it."""

    instance_uid: str
    halted: bool = False
    """The hypervisor halted its guest just now, because a disk failed it."""


@dataclass(frozen=True, slots=True)
class Reconnected:
    """The connection was lost and is there again: events in between are lost, look at everything."""


DomainEvent = Ended | Moved | Reconnected


class HypervisorError(Exception):
    """A call that failed; the effect may be there all the same. `message` names no path of the node."""


class ConnectionLostError(HypervisorError):
    """There is no hypervisor to talk to just now; the call may still take effect."""


class DomainExistsError(HypervisorError):
    """A domain of this uid is there already: look at it."""


class Hypervisor(Protocol):
    """Calls raise HypervisorError; those on a domain that is gone do nothing."""

    async def create_paused(self, xml: str) -> None:
        """Create the transient domain; it executes nothing until `resume`."""

    async def resume(self, instance_uid: str) -> None:
        """Let it run."""

    async def shutdown(self, instance_uid: str) -> None:
        """Press the power button (ACPI)."""

    async def destroy(self, instance_uid: str) -> None:
        """Pull the plug; afterwards the domain is gone."""

    async def keep_secret(self, usage: SecretUsage, name: str, secret: bytes) -> None:
        """Have a secret at hand, under this name, for disks that name it; not beyond the hypervisor's own life."""

    async def forget_secret(self, name: str) -> None:
        """Have it no more; what was opened with it stays open."""

    async def attach_disk(self, instance_uid: str, xml: str) -> None:
        """Plug a disk in; afterwards the domain has it, whether its guest looks at it or not."""

    async def detach_disk(self, instance_uid: str, volume_uid: str) -> None:
        """Ask the guest to let go of a Volume's disk. Once it has, that is told as `Moved`; it may never."""

    async def limit_disk(self, instance_uid: str, target: str, limits: Limits) -> None:
        """Hold a disk to these limits from now on."""

    async def fit_disk(self, instance_uid: str, target: str, size: int) -> int | None:
        """Make a disk as large as this, and tell its guest, unless it is at least as large; returns its size."""

    async def attach_nic(self, instance_uid: str, xml: str) -> None:
        """Plug a NIC in; afterwards the domain has it, whether its guest looks at it or not."""

    async def connect_nic(self, instance_uid: str, tap: str) -> None:
        """Give the NIC on this tap a carrier."""

    async def detach_nic(self, instance_uid: str, tap: str) -> None:
        """Ask the guest to let go of the NIC on this tap. Once it has, that is told as `Moved`; it may never."""

    async def begin_export(self, instance_uid: str, export: Export) -> bool:
        """Offer it, in the place of what is offered already; whether the guest froze its file systems for it."""

    async def end_export(self, instance_uid: str) -> None:
        """Stop offering."""

    async def lookup(self, instance_uid: str) -> Domain | None:
        """The Instance's domain, if there is one."""

    async def list_all(self) -> list[Domain]:
        """All of Orlop's domains."""

    async def versions(self) -> tuple[str, str]:
        """Versions of the management library's daemon and of the emulator."""

    async def hardware(self, architecture: str, virtualization_type: str) -> HardwareOffer:
        """What guests can have beside vCPUs, memory and disks."""

    def listen(self, listener: Callable[[DomainEvent], None]) -> None:
        """Call `listener`, in the event loop, for all that happens from now on."""
