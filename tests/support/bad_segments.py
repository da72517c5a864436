"""VLAN and Bridge Networks that must be refused."""

from __future__ import annotations

from typing import Any

from support.bad import Bad
from support.bad_floating_ips import PHYSICAL

_TRUNK = {"type": "VLAN", "physicalNetwork": "trunk", "vlanID": 100}
_LAB = {"type": "Bridge", "physicalNetwork": "lab"}
_TAGGED = "segment.vlanID goes with segment.type VLAN, and VLAN with it: a number from 1 to 4094"


def _on(segment: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {"spec.segment": segment, "spec.egress": "None", **values}


SEGMENTS = [
    Bad("vlan without a physical network", "Network", _on({"type": "VLAN", "vlanID": 100}), "spec", PHYSICAL),
    Bad("bridge without a physical network", "Network", _on({"type": "Bridge"}), "spec", PHYSICAL),
    Bad(
        "vlan without a number", "Network", _on({"type": "VLAN", "physicalNetwork": "trunk"}), "spec", _TAGGED
    ),
    Bad("number without vlan", "Network", _on({**_LAB, "vlanID": 100}), "spec", _TAGGED),
    Bad(
        "number out of range",
        "Network",
        _on({**_TRUNK, "vlanID": 4095}),
        "spec.segment.vlanID",
        "spec.segment.vlanID in body should be less than or equal to 4094",
    ),
    Bad(
        "labels of nodes for an overlay",
        "Network",
        {"spec.segment": {"nodeSelector": {"rack": "a"}}},
        "spec",
        "segment.nodeSelector goes with segment.type VLAN or Bridge: other Networks are on every node",
    ),
    Bad(
        "vlan with two subnets",
        "Network",
        _on(_TRUNK, **{"spec.subnets.+": {"name": "b", "cidr": "fd00:10::/64"}}),
        "spec",
        "a VLAN or Bridge Network has one subnet, of IPv4",
    ),
    Bad(
        "vlan that nodes shall translate",
        "Network",
        {"spec.segment": _TRUNK, "spec.egress": "NAT"},
        "spec",
        "a VLAN or Bridge Network needs egress None: the physical network's own router, the subnet's gateway, leads"
        " out, and no node translates",
    ),
    Bad(
        "bridge with metadata",
        "Network",
        _on(_LAB, **{"spec.metadata": "Enabled"}),
        "spec",
        "a VLAN or Bridge Network needs metadata Disabled: guests get their seed, and no gateway of Orlop is there",
    ),
]
