"""<interface>: a NIC on an unmanaged tap; who moves it into its Network does so while the domain is paused."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from orlop_agent.domain.element import Node, element
from orlop_agent.domain.spec import Nic
from orlop_agent.hypervisor import DomainNic


def interface(nic: Nic, *, connected: bool = True) -> Node:
    return element(
        "interface",
        element("mac", address=nic.mac),
        element("target", dev=nic.tap, managed="no"),
        element("model", type="virtio"),
        element("mtu", size=str(nic.mtu)),
        None if connected else element("link", state="down"),
        type="ethernet",
    )


def added_interface(nic: Nic) -> str:
    """The description of a NIC for virDomainAttachDeviceFlags; without a carrier until its tap is in its Network."""
    return ET.tostring(interface(nic, connected=False), encoding="unicode")


def read_interface(found: Node) -> DomainNic:
    """One <interface> of a live domain's description."""
    target, mac, link = found.find("target"), found.find("mac"), found.find("link")
    return DomainNic(
        target.get("dev", "") if target is not None else "",
        mac.get("address", "") if mac is not None else "",
        link is None or link.get("state") != "down",
    )


def described(domain_xml: str, tap: str) -> Node | None:
    """The NIC on a tap, in a live domain's description."""
    # The text is libvirtd's own: root wrote it on this node.
    nics = ET.fromstring(domain_xml).iterfind("devices/interface")  # noqa: S314
    return next((nic for nic in nics if read_interface(nic).tap == tap), None)


def alias(domain_xml: str, tap: str) -> str | None:
    """What libvirt calls the NIC on a tap; None where the domain has none."""
    nic = described(domain_xml, tap)
    named = nic.find("alias") if nic is not None else None
    return named.get("name") if named is not None else None


def connected(domain_xml: str, tap: str) -> str | None:
    """The description of the same NIC with a carrier, for virDomainUpdateDeviceFlags; None where there is none."""
    nic = described(domain_xml, tap)
    if nic is None:
        return None
    for link in nic.findall("link"):
        nic.remove(link)
    nic.append(element("link", state="up"))
    return ET.tostring(nic, encoding="unicode")
