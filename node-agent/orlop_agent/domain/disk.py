"""<disk>: virtio disks in order, vda first; and what of them a live domain's description says."""

from __future__ import annotations

from collections.abc import Collection
from xml.etree import ElementTree as ET

from orlop_agent.domain import limits, secret
from orlop_agent.domain.element import Node, element
from orlop_agent.domain.spec import Disk, DiskFile, IscsiUnit, NbdExport, NbdSocket, RbdImage
from orlop_agent.hypervisor import DomainDisk

_ALIAS = "ua-"
"""How an alias begins that is not libvirt's own; the rest of it is the Volume's uid, which no serial has room for."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def disk(index: int, made_of: Disk, cache: str, *, boot: int | None) -> Node:
    """`index` counts the disks of its bus; `boot` is its turn when the firmware looks for something to boot."""
    return element(
        "disk",
        element(
            "driver",
            name="qemu",
            type=made_of.format,
            cache=made_of.cache or cache,
            # A full pool halts the guest instead of handing it errors that would break its file system.
            error_policy=None if made_of.readonly else "enospace",
            discard=None if made_of.readonly else "ignore" if made_of.reserved else "unmap",
        ),
        _source(made_of),
        _backing(made_of),
        element("target", dev=f"sd{_LETTERS[index]}", bus="sata")
        if made_of.disc
        else element("target", dev=f"vd{_LETTERS[index]}", bus="virtio"),
        element("readonly") if made_of.readonly else None,
        element("shareable") if made_of.shareable else None,
        element("serial", text=made_of.serial) if made_of.serial else None,
        limits.iotune(made_of.limits),
        element("alias", name=alias_of(made_of.volume_uid)) if made_of.volume_uid else None,
        element("boot", order=str(boot)) if boot is not None else None,
        type="file" if isinstance(made_of.source, DiskFile) else "network",
        device="cdrom" if made_of.disc else "disk",
    )


def added_disk(made_of: Disk, cache: str, domain_has: Collection[DomainDisk]) -> str:
    """The description of a disk for virDomainAttachDeviceFlags, under the first name that is free."""
    taken = {known.target for known in domain_has}
    index = next(n for n, letter in enumerate(_LETTERS) if f"vd{letter}" not in taken)
    return ET.tostring(disk(index, made_of, cache, boot=None), encoding="unicode")


def read_disk(found: Node) -> DomainDisk:
    """One <disk> of a live domain's description."""
    target, alias = found.find("target"), found.find("alias")
    name = alias.get("name", "") if alias is not None else ""
    return DomainDisk(
        target.get("dev", "") if target is not None else "",
        name.removeprefix(_ALIAS) if name.startswith(_ALIAS) else None,
        found.find("readonly") is not None,
        limits.read(found.find("iotune")),
        found.find("shareable") is not None,
    )


def alias_of(volume_uid: str) -> str:
    """The alias of a Volume's disk."""
    return _ALIAS + volume_uid


def _source(made_of: Disk) -> Node:
    match made_of.source:
        case DiskFile(path):
            return element("source", _encryption(made_of), file=str(path))
        case NbdExport(host, port, export):
            return element("source", element("host", name=host, port=str(port)), protocol="nbd", name=export)
        case IscsiUnit(host, port, target, lun, account, chap):
            return element(
                "source",
                element("host", name=host, port=str(port)),
                element("auth", element("secret", type="iscsi", usage=chap), username=account)
                if account is not None
                else None,
                _encryption(made_of),
                protocol="iscsi",
                name=f"{target}/{lun}",
            )
        case RbdImage(monitors, pool, image, user, secret):
            return element(
                "source",
                *(element("host", name=host, port=str(port)) for host, port in monitors),
                element("auth", element("secret", type="ceph", usage=secret), username=user)
                if user is not None
                else None,
                _encryption(made_of),
                protocol="rbd",
                name=f"{pool}/{image}",
            )
        case NbdSocket(socket, export):
            where = element("host", transport="unix", socket=str(socket))
            return element("source", where, protocol="nbd", name=export)


def _encryption(made_of: Disk) -> Node | None:
    """By the secret's uuid: that is all that a domain's description ever says of it."""
    return None if made_of.luks is None else secret.encryption(made_of.luks.secret)


def _backing(made_of: Disk) -> Node:
    """The chain in full, so that nobody goes by what a disk's header says."""
    if made_of.base is None:
        return element("backingStore")
    return element(
        "backingStore",
        element("format", type=made_of.base.format),
        element("source", file=str(made_of.base.path)),
        element("backingStore"),
        type="file",
    )
