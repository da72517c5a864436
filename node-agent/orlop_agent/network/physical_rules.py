"""nftables: what comes from a physical network, and what a node says there itself, which is nothing. Pure text.

Who is there is the physical network's matter: its machines speak as they like, but as nobody who is on this node. What
a guest says is judged as on an overlay (firewall.py).
"""

from __future__ import annotations

from orlop_agent.network.drops import drop
from orlop_agent.network.names import PHYSICAL
from orlop_agent.network.segment import Segment

HERE = "type ether_addr;"
"""The set of MAC addresses of the NICs on this node."""


def from_physical(segment: Segment) -> str:
    """Chains of the table `bridge orlop`. Of switches' own talk (STP, LLDP, LACP) guests hear nothing."""
    own = ""
    if segment.dhcp:
        own = f"""    udp sport 67 {drop("rogue_dhcp")}
    udp dport 68 {drop("rogue_dhcp")}
    udp dport 67 drop comment "what others ask is not for this node's server"
"""
    return f"""  set here {{ {HERE} }}
  chain from_physical {{
    ether saddr {segment.gateway_mac} {drop("forged_physical")}
    ether saddr @here {drop("forged_physical")}
    ether daddr 01:80:c2:00:00:00-01:80:c2:00:00:0f drop
{own}    ether type {{ arp, ip }} accept
    ether type {{ 8021q, 8021ad }} {drop("vlan")}
    drop
  }}
  chain output {{
    type filter hook output priority -300; policy accept;
    oifname "{PHYSICAL}" drop comment "the node itself is not there"
  }}
"""


def to_server(segment: Segment) -> str:
    """A question for DHCP goes to the node's server alone, also when a guest asks it for more time by the gateway's
    MAC address, as its routes say.
    """
    if segment.physical is None or not segment.dhcp:
        return ""
    return f"    meta pkttype set host ether daddr set {segment.gateway_mac}\n"
