"""What a running domain's disk holds at one moment, offered to a reader: libvirt's backup job in pull mode.

While the reader reads, QEMU keeps what the guest overwrites in a scratch file (libvirt: formatbackup). Every
function here blocks, and is called in a thread of `libvirt`'s.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from xml.etree import ElementTree as ET

import libvirt
import structlog

from orlop_agent.domain.element import element
from orlop_agent.domain.secret import encryption
from orlop_agent.hypervisor import DomainDisk, Export, HypervisorError

_AGENT_SECONDS = 5
"""A guest's agent belongs to the guest: it is not waited for longer."""
_NO_JOB = {libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN_BACKUP}

_log = structlog.get_logger()


def begin(domain: Any, disks: tuple[DomainDisk, ...], export: Export) -> bool:
    """Start to offer it; whether the guest froze its file systems for the moment."""
    exported = next((disk for disk in disks if disk.volume_uid == export.volume_uid), None)
    if exported is None:
        raise HypervisorError("the guest does not have the volume any more")
    _abort(domain)
    frozen = export.quiesce and _freeze(domain)
    try:
        # An encrypted scratch file is made by the agent: QEMU would halt its guest while it derives keys.
        there = 0 if export.scratch_secret is None else libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL
        domain.backupBegin(_description(disks, exported, export), None, there)
    finally:
        if frozen:
            _thaw(domain)
    return frozen


def end(domain: Any) -> None:
    """Stop offering; nothing happens where nothing is offered.

    Whoever froze the guest may have been killed before it could thaw it, and nobody else will.
    """
    _abort(domain)
    with suppress(libvirt.libvirtError):  # most guests have no agent
        domain.agentSetResponseTimeout(_AGENT_SECONDS)
        domain.fsThaw()


def _abort(domain: Any) -> None:
    try:
        domain.backupGetXMLDesc()
        domain.abortJob()
    except libvirt.libvirtError as error:
        if error.get_error_code() not in _NO_JOB:
            raise


def _freeze(domain: Any) -> bool:
    try:
        domain.agentSetResponseTimeout(_AGENT_SECONDS)
        domain.fsFreeze()
    except libvirt.libvirtError as error:
        _log.info("guest.freeze", domain=domain.name(), error=str(error))
        # It may have heard and not answered in time.
        with suppress(libvirt.libvirtError):
            domain.fsThaw()
        return False
    return True


def _thaw(domain: Any) -> None:
    try:
        domain.fsThaw()
    except libvirt.libvirtError as error:
        _log.warning("guest.thaw", domain=domain.name(), error=str(error))


def _description(disks: tuple[DomainDisk, ...], exported: DomainDisk, export: Export) -> str:
    listed = [
        element("disk", name=disk.target, backup="no") for disk in disks if disk.target != exported.target
    ]
    sealed = encryption(export.scratch_secret) if export.scratch_secret is not None else None
    offered = element(
        "disk",
        element("driver", type="qcow2"),
        element("scratch", sealed, file=str(export.scratch)),
        name=exported.target,
        backup="yes",
        type="file",
        exportname=export.name,
    )
    made = element(
        "domainbackup",
        element("server", transport="unix", socket=str(export.socket)),
        element("disks", offered, *listed),
        mode="pull",
    )
    return ET.tostring(made, encoding="unicode")
