"""<features>, <clock>, <on_…>: what the machine does when it is told to end, or ends by itself."""

from __future__ import annotations

from orlop_agent.domain.element import Node, element


def features() -> Node:
    """ACPI, for the power button."""
    return element("features", element("acpi"), element("apic"))


def clock() -> Node:
    return element("clock", offset="utc")


def endings() -> tuple[Node, ...]:
    """A domain that ends is gone; whether the guest starts again is decided above libvirt."""
    return (
        element("on_poweroff", text="destroy"),
        element("on_reboot", text="restart"),
        element("on_crash", text="destroy"),
    )
