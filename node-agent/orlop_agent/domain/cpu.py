"""<vcpu>, <cpu>, <memory>: the machine's size."""

from __future__ import annotations

from orlop_agent.domain.element import Node, element
from orlop_agent.domain.spec import DomainSpec


def memory(spec: DomainSpec) -> Node:
    return element("memory", text=str(spec.memory_bytes // 1024), unit="KiB")


def vcpu(spec: DomainSpec) -> Node:
    return element("vcpu", text=str(spec.vcpus), placement="static")


def cpu(spec: DomainSpec) -> Node | None:
    """The node's own processor with KVM; QEMU's default where it is emulated."""
    if spec.virtualization_type != "kvm":
        return None
    return element("cpu", mode="host-passthrough", check="none")
