"""<rng>, <panic>, <memballoon>, <tpm>, <controller>: small devices, and one that is left out."""

from __future__ import annotations

from orlop_agent.domain.element import Node, element
from orlop_agent.domain.spec import DomainSpec
from orlop_api.assignment import MOST_VOLUMES
from orlop_api.hardware import is_q35
from orlop_api.nic import MOST_NICS

_PORTS = MOST_VOLUMES + MOST_NICS + 5
"""Slots for all that may be plugged in, and for root disk, seed, memory balloon, randomness and channel."""


def rng() -> Node:
    """Randomness from the node's kernel, so that a guest's first keys are good ones."""
    return element("rng", element("backend", model="builtin"), model="virtio")


def panic() -> Node:
    """Lets a guest say that its kernel panicked."""
    return element("panic", model="isa")


def memballoon() -> Node:
    return element("memballoon", model="virtio")


def guest_agent() -> Node:
    """Where a guest's own agent (qemu-ga) is talked to, if it has one: to freeze its file systems."""
    return element("channel", element("target", type="virtio", name="org.qemu.guest_agent.0"), type="unix")


def no_usb() -> Node:
    """Nobody plugs anything in, and looking for it takes the guest's firmware time."""
    return element("controller", type="usb", model="none")


def tpm(spec: DomainSpec) -> Node | None:
    """An emulated one; libvirt keeps what it holds when the domain goes (since libvirt 7.0)."""
    if spec.hardware.tpm is None:
        return None
    backend = element("backend", type="emulator", version=spec.hardware.tpm, persistent_state="yes")
    return element("tpm", backend, model="tpm-crb")


def ports(spec: DomainSpec) -> list[Node]:
    """PCIe has one device in each port, and ports cannot be plugged in: on q35 all are there from the start."""
    if not is_q35(spec.hardware.machine_type or ""):
        return []
    root = element("controller", type="pci", index="0", model="pcie-root")
    return [root, *(element("controller", type="pci", model="pcie-root-port") for _ in range(_PORTS))]
