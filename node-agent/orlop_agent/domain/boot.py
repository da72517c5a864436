"""<os>: what the machine is, and a kernel to load where the image has one."""

from __future__ import annotations

from orlop_agent.domain.element import Node, element
from orlop_agent.domain.spec import DomainSpec
from orlop_api.hardware import Firmware

_MACHINES = {"x86_64": "pc", "aarch64": "virt"}
"""On x86_64 the older board: under emulation its firmware is through sooner, and few guests need PCIe."""


def operating_system(spec: DomainSpec) -> Node:
    hardware = spec.hardware
    machine = hardware.machine_type or _MACHINES.get(spec.architecture)
    uefi = hardware.firmware is Firmware.UEFI
    made = element(
        "os",
        element("type", text="hvm", arch=spec.architecture, machine=machine),
        element("firmware", element("feature", enabled="no", name="secure-boot")) if uefi else None,
        # Made of the firmware's own template where it is missing, and kept when the domain goes.
        element("nvram", text=str(spec.nvram)) if uefi and spec.nvram else None,
        firmware="efi" if uefi else None,
    )
    if spec.kernel is not None:
        made.append(element("kernel", text=str(spec.kernel.kernel)))
        if spec.kernel.initrd is not None:
            made.append(element("initrd", text=str(spec.kernel.initrd)))
        made.append(element("cmdline", text=spec.kernel.command_line))
    return made
