"""A hypervisor in memory, for tests: same contract, no guests.

Calls fail on order, before or after their effect, as a daemon's do that dies at the wrong moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from xml.etree import ElementTree as ET

from orlop_agent.domain.disk import read_disk
from orlop_agent.domain.interface import read_interface
from orlop_agent.domain.live import read_domain
from orlop_agent.domain.secret import secret_uuid
from orlop_agent.hypervisor import (
    Domain,
    DomainEvent,
    DomainExistsError,
    DomainNic,
    Ended,
    EndReason,
    Export,
    HypervisorError,
    Limits,
    Moved,
    Power,
    SecretUsage,
)
from orlop_api.hardware import CPU_MODES, Firmware, HardwareOffer

OFFER = HardwareOffer(
    machine_types=["pc", "pc-i440fx-7.2", "pc-q35-7.2", "q35"],
    firmwares=[Firmware.BIOS, Firmware.UEFI],
    tpm_versions=["2.0"],
    cpu_models=[*CPU_MODES, "EPYC", "Haswell", "Skylake-Server", "qemu64"],
    cpu_features=["aes", "avx", "avx2", "sse4.2", "vmx"],
)
"""As a node with Debian 12 and KVM might say it, in short."""


@dataclass
class SimulatedHypervisor:
    """Domains by the uid of their Instance."""

    domains: dict[str, Domain] = field(default_factory=dict)
    xml: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    """Every call and the Instance it was for."""
    exports: dict[str, Export] = field(default_factory=dict)
    """What is offered, by the uid of its Instance."""
    fail_before: set[str] = field(default_factory=set)
    """Names of calls that fail once, without effect."""
    fail_after: set[str] = field(default_factory=set)
    """Names of calls that fail once, their effect being there."""
    deaf: set[str] = field(default_factory=set)
    """Uids of guests that do not heed the power button."""
    clinging: set[str] = field(default_factory=set)
    """Uids of Volumes, and taps of NICs, that their guests do not let go of."""
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    """Bytes by the uid of the Instance and the disk's name."""
    full: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Uids of Instances whose guests write to disks that have no room, and the names of these disks."""
    secrets: dict[str, bytes] = field(default_factory=dict)
    """What disks may name."""
    taps: set[str] | None = None
    """Names of the taps that are there; a domain needs its own, and they end with it. None: nobody looks."""
    _listeners: list[Callable[[DomainEvent], None]] = field(default_factory=list)

    async def create_paused(self, xml: str) -> None:
        made = _made(xml)
        mark = made.mark
        self._enter("create_paused", mark.instance_uid)
        if mark.instance_uid in self.domains:
            raise DomainExistsError(f"domain {mark.instance_uid} exists")
        self._wired(made.nics)
        self._open(ET.fromstring(xml))  # noqa: S314 - ours
        self.domains[mark.instance_uid] = made
        self.xml[mark.instance_uid] = xml
        self._leave("create_paused")

    async def resume(self, instance_uid: str) -> None:
        self._enter("resume", instance_uid)
        if instance_uid in self.domains:
            self.domains[instance_uid] = replace(self.domains[instance_uid], power=Power.RUNNING, failed=None)
            self._tell(Moved(instance_uid))
            if instance_uid in self.full:
                self.halt(instance_uid)
        self._leave("resume")

    def halt(self, instance_uid: str) -> None:
        """The guest is paused: by its hypervisor where its disk is full, else by hand."""
        failed = self.full.get(instance_uid)
        halted = replace(self.domains[instance_uid], power=Power.PAUSED, failed=failed)
        self.domains[instance_uid] = halted
        self._tell(Moved(instance_uid, halted=failed is not None))

    async def shutdown(self, instance_uid: str) -> None:
        self._enter("shutdown", instance_uid)
        if instance_uid not in self.deaf:
            self.end(instance_uid, EndReason.SHUTDOWN)
        self._leave("shutdown")

    async def destroy(self, instance_uid: str) -> None:
        self._enter("destroy", instance_uid)
        self.end(instance_uid, EndReason.DESTROYED)
        self._leave("destroy")

    async def keep_secret(self, usage: SecretUsage, name: str, secret: bytes) -> None:  # noqa: ARG002 - one of a kind is enough
        self.secrets[name] = secret

    async def forget_secret(self, name: str) -> None:
        self.secrets.pop(name, None)

    async def attach_disk(self, instance_uid: str, xml: str) -> None:
        self._enter("attach_disk", instance_uid)
        described = ET.fromstring(xml)  # noqa: S314 - ours
        domain, made = self.domains.get(instance_uid), read_disk(described)
        self._open(described)
        if domain is not None:
            if any(made.target == disk.target or made.volume_uid == disk.volume_uid for disk in domain.disks):
                raise HypervisorError(f"target {made.target} already exists")
            self.domains[instance_uid] = replace(domain, disks=(*domain.disks, made))
            self._tell(Moved(instance_uid))
        self._leave("attach_disk")

    async def detach_disk(self, instance_uid: str, volume_uid: str) -> None:
        self._enter("detach_disk", instance_uid)
        if volume_uid not in self.clinging:
            self.let_go(instance_uid, volume_uid)
        self._leave("detach_disk")

    def let_go(self, instance_uid: str, volume_uid: str) -> None:
        """The guest releases a disk, asked or not."""
        domain = self.domains.get(instance_uid)
        if domain is not None:
            left = tuple(disk for disk in domain.disks if disk.volume_uid != volume_uid)
            self.domains[instance_uid] = replace(domain, disks=left)
            self._tell(Moved(instance_uid))

    async def attach_nic(self, instance_uid: str, xml: str) -> None:
        self._enter("attach_nic", instance_uid)
        domain, made = self.domains.get(instance_uid), read_interface(ET.fromstring(xml))  # noqa: S314 - ours
        self._wired((made,))
        if domain is not None:
            if any(made.tap == nic.tap or made.mac == nic.mac for nic in domain.nics):
                raise HypervisorError(f"{made.tap} is in use")
            self._has(instance_uid, (*domain.nics, made))
        self._leave("attach_nic")

    async def connect_nic(self, instance_uid: str, tap: str) -> None:
        self._enter("connect_nic", instance_uid)
        domain = self.domains.get(instance_uid)
        if domain is not None:
            nics = (replace(nic, connected=True) if nic.tap == tap else nic for nic in domain.nics)
            self.domains[instance_uid] = replace(domain, nics=tuple(nics))
        self._leave("connect_nic")

    async def detach_nic(self, instance_uid: str, tap: str) -> None:
        self._enter("detach_nic", instance_uid)
        if tap not in self.clinging:
            self.let_go_nic(instance_uid, tap)
        self._leave("detach_nic")

    def let_go_nic(self, instance_uid: str, tap: str) -> None:
        """The guest releases a NIC, asked or not."""
        domain = self.domains.get(instance_uid)
        if domain is not None:
            self._has(instance_uid, tuple(nic for nic in domain.nics if nic.tap != tap))

    def _has(self, instance_uid: str, nics: tuple[DomainNic, ...]) -> None:
        self.domains[instance_uid] = replace(self.domains[instance_uid], nics=nics)
        self._tell(Moved(instance_uid))

    def _wired(self, nics: tuple[DomainNic, ...]) -> None:
        """Their taps are there."""
        if self.taps is not None and (missing := {nic.tap for nic in nics} - self.taps):
            raise HypervisorError(f"no device {', '.join(sorted(missing))}")

    async def limit_disk(self, instance_uid: str, target: str, limits: Limits) -> None:
        self._enter("limit_disk", instance_uid)
        domain = self.domains.get(instance_uid)
        if domain is not None:
            disks = (replace(disk, limits=limits) if disk.target == target else disk for disk in domain.disks)
            self.domains[instance_uid] = replace(domain, disks=tuple(disks))
        self._leave("limit_disk")

    async def fit_disk(self, instance_uid: str, target: str, size: int) -> int | None:
        self._enter("fit_disk", instance_uid)
        if instance_uid not in self.domains:
            return None
        sizes = self.sizes.setdefault(instance_uid, {})
        sizes[target] = max(size, sizes.get(target, 0))
        self._leave("fit_disk")
        return sizes[target]

    async def begin_export(self, instance_uid: str, export: Export) -> bool:
        self._enter("begin_export", instance_uid)
        if instance_uid not in self.domains:
            raise HypervisorError("the guest is gone")
        self.exports[instance_uid] = export
        self._leave("begin_export")
        return False

    async def end_export(self, instance_uid: str) -> None:
        self._enter("end_export", instance_uid)
        self.exports.pop(instance_uid, None)
        self._leave("end_export")

    async def lookup(self, instance_uid: str) -> Domain | None:
        self._enter("lookup", instance_uid)
        return self.domains.get(instance_uid)

    async def list_all(self) -> list[Domain]:
        self._enter("list_all", "")
        return list(self.domains.values())

    async def versions(self) -> tuple[str, str]:
        return "0", "0"

    async def hardware(self, _architecture: str, _virtualization_type: str) -> HardwareOffer:
        return OFFER

    def listen(self, listener: Callable[[DomainEvent], None]) -> None:
        self._listeners.append(listener)

    def forget_listeners(self) -> None:
        """Whoever listened has ended."""
        self._listeners.clear()

    def end(self, instance_uid: str, reason: EndReason) -> None:
        """The guest ends, by itself or not."""
        domain = self.domains.pop(instance_uid, None)
        if domain is not None:
            if self.taps is not None:
                self.taps -= {nic.tap for nic in domain.nics}
            self._tell(Ended(instance_uid, reason))

    def _tell(self, event: DomainEvent) -> None:
        for listener in self._listeners:
            listener(event)

    def _open(self, described: ET.Element) -> None:
        """Encrypted disks, with the passphrases that are at hand."""
        known = set(map(secret_uuid, self.secrets))
        for secret in described.iter("encryption"):
            if any(named.get("uuid") not in known for named in secret.iterfind("secret")):
                raise HypervisorError("no secret with matching uuid")

    def _enter(self, call: str, instance_uid: str) -> None:
        self.calls.append((call, instance_uid))
        if call in self.fail_before:
            self.fail_before.remove(call)
            raise HypervisorError(f"{call} was made to fail")

    def _leave(self, call: str) -> None:
        if call in self.fail_after:
            self.fail_after.remove(call)
            raise HypervisorError(f"{call} was made to fail after its effect")


def _made(xml: str) -> Domain:
    made = read_domain(xml, Power.PAUSED)
    if made is None:
        raise HypervisorError("the description carries no mark")
    return made
