"""<vcpu>, <cpu>, <memory>: the machine's size."""

from __future__ import annotations

from orlop_agent.domain.element import Node, element
from orlop_agent.domain.spec import DomainSpec
from orlop_api.hardware import CPU_MODES, Cpu

_EMULATED = "qemu64"
"""What QEMU takes where nobody says anything."""


def memory(spec: DomainSpec) -> Node:
    return element("memory", text=str(spec.memory_bytes // 1024), unit="KiB")


def vcpu(spec: DomainSpec) -> Node:
    return element("vcpu", text=str(spec.vcpus), placement="static")


def cpu(spec: DomainSpec) -> Node | None:
    """As it is asked for; otherwise the node's own processor with KVM, and QEMU's default where it is emulated."""
    emulated, wanted = spec.virtualization_type != "kvm", spec.hardware.cpu
    if wanted is None and emulated:
        return None
    wanted = wanted or Cpu()
    model = wanted.model or (_EMULATED if emulated else "host-passthrough")
    features = [element("feature", policy="require", name=name) for name in wanted.features]
    if model in CPU_MODES:
        return element(
            "cpu", *features, mode=model, check="none" if model == "host-passthrough" else "partial"
        )
    # A model that the node lacks, or a feature, is an error at the start, never something else.
    return element(
        "cpu",
        element("model", text=model, fallback="forbid"),
        *features,
        mode="custom",
        match="exact",
        check="partial",
    )
