"""<rng>, <panic>, <memballoon>, <controller>: small devices, and one that is left out."""

from __future__ import annotations

from orlop_agent.domain.element import Node, element


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
