"""What libvirt says of the hardware that guests can have here."""

from __future__ import annotations

from typing import Any

import libvirt
import structlog

from orlop_agent.domain.offer import host_model, read_offer
from orlop_api.hardware import Firmware, HardwareOffer

_log = structlog.get_logger()
_MACHINES = {"x86_64": "q35", "aarch64": "virt"}
"""The board that is asked about: the one that has all that any has."""
_CANNOT_TELL = {
    libvirt.VIR_ERR_NO_SUPPORT,
    libvirt.VIR_ERR_INVALID_ARG,
    libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
}
"""Of a driver, or a hypervisor, that knows no such question or no such board."""


def ask(connection: Any, architecture: str, virtualization_type: str) -> HardwareOffer:
    """In a thread; a second or so, where QEMU has to be asked first."""
    about = (None, architecture, _MACHINES.get(architecture), virtualization_type)
    try:
        domain = connection.getDomainCapabilities(*about)
    except libvirt.libvirtError as error:
        if error.get_error_code() not in _CANNOT_TELL:
            raise
        # Guests that ask for nothing can be had all the same.
        _log.warning("libvirt.hardware", error=str(error))
        return HardwareOffer(firmwares=[Firmware.BIOS])
    return read_offer(
        connection.getCapabilities(), domain, _expanded(connection, about, domain), architecture
    )


def _expanded(connection: Any, about: tuple[str | None, ...], domain: str) -> str | None:
    """All features of the nearest model that libvirt knows; a driver other than QEMU's may not tell."""
    model = host_model(domain)
    if model is None:
        return None
    try:
        expanded: str = connection.baselineHypervisorCPU(
            *about, [model], libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES
        )
    except libvirt.libvirtError as error:
        _log.warning("libvirt.features", error=str(error))
        return None
    return expanded
