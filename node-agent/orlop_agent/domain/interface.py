"""<interface>: a NIC on an unmanaged tap; who moves it into its Network does so while the domain is paused."""

from __future__ import annotations

from orlop_agent.domain.element import Node, element
from orlop_agent.domain.spec import Nic


def interface(nic: Nic) -> Node:
    return element(
        "interface",
        element("mac", address=nic.mac),
        element("target", dev=nic.tap, managed="no"),
        element("model", type="virtio"),
        element("mtu", size=str(nic.mtu)),
        type="ethernet",
    )
