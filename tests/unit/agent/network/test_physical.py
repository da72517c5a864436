"""What leads a Network to a physical one, and what is said where that cannot be. Pure."""

import pytest

from orlop_agent.network import physical
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.segment import Physical

TRUNK, LAB = Physical("trunk", 100), Physical("lab", None)
WAYS = {"trunk": "eth1", "lab": "br-lab"}


def link(name, *flags, kind=None, mtu=1500):
    info = {"linkinfo": {"info_kind": kind}} if kind else {}
    return {"ifname": name, "ifindex": 7, "mtu": mtu, "flags": ["BROADCAST", *flags], **info}


@pytest.mark.parametrize(
    ("on", "there", "reason", "words"),
    [
        (
            Physical("far", 100),
            [link("eth1", "UP")],
            "PhysicalNetworkMissing",
            "this node has no physical network far: node.physicalNetworks of orlop-config does not name it",
        ),
        (
            TRUNK,
            [link("eth0", "UP")],
            "PhysicalNetworkMissing",
            "this node has no interface eth1, which is to be its way to physical network trunk",
        ),
        (
            TRUNK,
            [link("eth1")],
            "PhysicalNetworkDown",
            "eth1, this node's way to physical network trunk, is down: set it up",
        ),
        (
            LAB,
            [link("br-lab", "UP", kind="bond")],
            "NoBridge",
            "br-lab, this node's way to physical network lab, is no bridge: a Bridge Network needs one",
        ),
    ],
)
def test_what_is_in_the_way_is_said(on, there, reason, words):
    with pytest.raises(NetworkError) as raised:
        physical.found(there, on, WAYS)
    assert (raised.value.reason, raised.value.message) == (reason, words)


def test_a_vlan_is_of_any_interface_that_is_up():
    bond = link("eth1", "UP", kind="bond")
    assert physical.found([link("eth0"), bond], TRUNK, WAYS) is bond
    lab = link("br-lab", "UP", kind="bridge")
    assert physical.found([lab], LAB, WAYS) is lab


def test_the_way_is_known_by_interface_and_vlan():
    """One that went and came is another, and so is what orlop-config names by now."""
    assert physical.told(TRUNK, link("eth1")) == "eth1 7 100\n"
    assert physical.told(LAB, link("br-lab")) == "br-lab 7 untagged\n"
