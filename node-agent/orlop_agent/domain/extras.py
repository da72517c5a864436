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


def no_usb() -> Node:
    """Nobody plugs anything in, and looking for it takes the guest's firmware time."""
    return element("controller", type="usb", model="none")
