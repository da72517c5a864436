"""What a domain is made of, with every path and name resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from orlop_agent.hypervisor import NO_LIMITS, Limits, Mark
from orlop_api.hardware import Hardware


@dataclass(frozen=True, slots=True)
class BaseImage:
    """The read-only image below an overlay."""

    path: Path
    format: str


@dataclass(frozen=True, slots=True)
class DiskFile:
    """A disk that is a file on this node."""

    path: Path


@dataclass(frozen=True, slots=True)
class NbdExport:
    """A disk that a Network Block Device server exports; QEMU is the client."""

    host: str
    port: int
    export: str


@dataclass(frozen=True, slots=True)
class IscsiUnit:
    """A disk that is a logical unit of an iSCSI target; QEMU is the initiator."""

    host: str
    port: int
    target: str
    lun: int
    account: str | None = None
    """User name for CHAP."""
    secret: str = ""
    """By what libvirt knows the account's secret, where there is one."""
    chap: bytes | None = field(default=None, repr=False, compare=False)
    """The account's secret, for programs that have nobody to hand it to them; no description of a domain holds it."""


@dataclass(frozen=True, slots=True)
class RbdImage:
    """A disk that is an image in a pool of a Ceph cluster; QEMU is the client."""

    monitors: tuple[tuple[str, int], ...]
    """Hosts and ports."""
    pool: str
    image: str
    user: str | None = None
    """Without `client.`."""
    secret: str = ""
    """By what libvirt knows the user's key, where there is one."""
    snapshot: str | None = None
    """What the image was when this was taken, and not what it is now."""
    key: str | None = field(default=None, repr=False, compare=False)
    """The user's key, for programs that have nobody to hand it to them; no description of a domain holds it."""


@dataclass(frozen=True, slots=True)
class NbdSocket:
    """The same on this node, by a socket."""

    socket: Path
    export: str


DiskSource = DiskFile | NbdExport | IscsiUnit | RbdImage | NbdSocket


@dataclass(frozen=True, slots=True)
class Luks:
    """That a disk is encrypted: inside of a qcow2, or around the bytes of a raw disk. QEMU does it."""

    secret: str
    """By what libvirt knows the passphrase."""
    passphrase: bytes | None = field(default=None, repr=False)
    """For programs of this node; None where nothing is to be opened."""


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk, virtio unless it is a disc.

    The format is always said, never probed: a guest can write any header it likes.
    """

    source: DiskSource
    format: str
    base: BaseImage | None = None
    serial: str | None = None
    volume_uid: str | None = None
    """The Volume that it is; None for the root disk and the seed."""
    readonly: bool = False
    disc: bool = False
    """A CD-ROM: booted from while the disk before it boots nothing."""
    limits: Limits = NO_LIMITS
    cache: str | None = None
    """QEMU's cache mode, where it is another than that of the node's data pool."""
    shareable: bool = False
    """Whether other domains may have it too, and write to it."""
    luks: Luks | None = None
    """None where it is not encrypted."""
    reserved: bool = False
    """Its room was reserved, and stays so: what a guest discards is not given back."""


@dataclass(frozen=True, slots=True)
class Nic:
    """One virtio NIC on a tap that is there already, and stays when the domain goes."""

    tap: str
    mac: str
    mtu: int


@dataclass(frozen=True, slots=True)
class KernelBoot:
    """A kernel that QEMU loads itself."""

    kernel: Path
    initrd: Path | None
    command_line: str


@dataclass(frozen=True, slots=True)
class DomainSpec:
    """The whole of a domain; the first disk is the one to boot from."""

    mark: Mark
    virtualization_type: str
    architecture: str
    vcpus: int
    memory_bytes: int
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...]
    console_log: Path
    kernel: KernelBoot | None
    disk_cache: str
    """none where the pool's file system has O_DIRECT (open(2)), otherwise writeback."""
    hardware: Hardware = field(default_factory=Hardware)
    nvram: Path | None = None
    """Where UEFI keeps its variables, if it is that that starts the machine."""
