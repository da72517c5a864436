"""<os>: what the machine is, and a kernel to load where the image has one."""

from __future__ import annotations

from orlop_agent.domain.element import Node, element
from orlop_agent.domain.spec import DomainSpec

_MACHINES = {"x86_64": "pc", "aarch64": "virt"}
"""On x86_64 the older board: under emulation its firmware is through sooner, and no guest here needs PCIe."""


def operating_system(spec: DomainSpec) -> Node:
    machine = _MACHINES.get(spec.architecture)
    made = element("os", element("type", text="hvm", arch=spec.architecture, machine=machine))
    if spec.kernel is not None:
        made.append(element("kernel", text=str(spec.kernel.kernel)))
        if spec.kernel.initrd is not None:
            made.append(element("initrd", text=str(spec.kernel.initrd)))
        made.append(element("cmdline", text=spec.kernel.command_line))
    return made
