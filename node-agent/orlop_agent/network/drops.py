"""What the bridge drops, counted for each NIC and cause, as nftables rules. Pure text.

The set holds an element for each interface and cause that ever came together, with a counter; the packet's mark
carries the cause into it. Rules are replaced without it, so its counts only grow for as long as the NIC is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

CAUSES: Mapping[str, int] = {
    "forged_mac": 1,
    "forged_arp": 2,
    "forged_address": 3,
    "rogue_dhcp": 4,
    "other_protocol": 5,
    "forged_overlay": 6,
    "forged_dhcp": 7,
    "rogue_router": 8,
    "ipv6": 9,
    "vlan": 10,
    "link_control": 11,
    "misdirected": 12,
    "source_route": 13,
    "malformed": 14,
    "oversized": 15,
    "forged_nd": 16,
    "foreign_metadata": 17,
    "forged_physical": 18,
    "ipv4": 19,
}
"""A number is never given to another cause: counts outlive the agent that began them."""
FOR_MANY = "ether daddr & 01:00:00:00:00:00 != 00:00:00:00:00:00"
"""Broadcast or multicast."""
_SET = "dropped"
_KIND = "typeof meta iifname . meta mark; size 65535; flags dynamic; counter;"
_NAMES = {number: cause for cause, number in CAUSES.items()}

LIST: Sequence[str] = ("nft", "-j", "list", "set", "bridge", "orlop", _SET)
"""Asks for all counts."""


def objects() -> str:
    """What the rules need, inside the table."""
    # A set that is full must let nothing through: the rule behind it drops by itself.
    return f"""  set {_SET} {{ {_KIND} }}
  chain {_SET} {{
    add @{_SET} {{ iifname . meta mark }}
    drop
  }}
"""


def drop(cause: str) -> str:
    """The end of a rule."""
    return f"meta mark set {CAUSES[cause]} goto {_SET}"


def forget(taps: Iterable[str]) -> str:
    """Their counts go; also fine where there are none."""
    elements = ", ".join(f'"{tap}" . {number}' for tap in sorted(taps) for number in CAUSES.values())
    if not elements:
        return ""
    # What is there must not matter, and nft(8) of Debian 12 has no `destroy`: it is added, and deleted with it.
    return (
        f"add set bridge orlop {_SET} {{ {_KIND} }}\n"
        f"add element bridge orlop {_SET} {{ {elements} }}\ndelete element bridge orlop {_SET} {{ {elements} }}\n"
    )


def counted(listed: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Packets by cause for each interface, from what LIST says."""
    found: dict[str, dict[str, int]] = {}
    for entry in listed.get("nftables", ()):
        for element in entry.get("set", {}).get("elem", ()):
            interface, number = element["elem"]["val"]["concat"]
            cause = _NAMES.get(number)
            # One of a newer agent's that has gone again.
            if cause is not None:
                found.setdefault(interface, {})[cause] = element["elem"]["counter"]["packets"]
    return found
