"""nftables: who may say what on a Network, and what a guest may ask of its node. Pure text.

Three tables, all named orlop. In the Network's namespace `bridge` holds each guest to its own identity, and
`inet` guards the gateway and the way out; `inet` on the node guards the node. Each text can be
loaded again: one transaction that leaves counters and connections as they are.
"""

from __future__ import annotations

from collections.abc import Iterable

from orlop_agent.network import resolver
from orlop_agent.network.links import UPLINKS, VXLAN_PORT
from orlop_agent.network.names import BRIDGE, OVERLAY, UPLINK, VETHS
from orlop_agent.network.segment import Attachment, Segment

COUNTERS = ("forged_mac", "forged_arp", "forged_address", "rogue_dhcp", "other_protocol", "forged_overlay")
"""What is dropped, by cause; `nft list counters` in the namespace."""


_RANGES = {
    "more_addresses": "typeof meta iifname . ether saddr . ip saddr; flags interval;",
    "more_senders": "typeof meta iifname . arp saddr ether . arp saddr ip; flags interval;",
}


def _anew(family: str) -> str:
    return f"add table {family} orlop\nflush table {family} orlop\n"


def identities(attachments: Iterable[Attachment]) -> str:
    """Which tap may use which MAC and addresses: all of the Network's taps at once, replaced as one."""
    macs: list[str] = []
    pairs: list[str] = []
    more: list[str] = []
    for attachment in sorted(attachments, key=lambda each: each.tap):
        who = f'"{attachment.tap}" . {attachment.mac}'
        macs.append(who)
        pairs += [f"{who} . {address}" for address in attachment.addresses]
        more += [f"{who} . {range_}" for range_ in attachment.pairs]
    sets = {"macs": macs, "addresses": pairs, "senders": pairs, "more_addresses": more, "more_senders": more}
    # Ranges are in sets of their own, for those are looked up more slowly; an older agent's table has none.
    text = "".join(f"add set bridge orlop {name} {{ {kind} }}\n" for name, kind in _RANGES.items())
    text += "".join(f"flush set bridge orlop {name}\n" for name in sets)
    for name, elements in sets.items():
        if elements:
            text += f"add element bridge orlop {name} {{ {', '.join(elements)} }}\n"
    return text


def anti_spoofing(segment: Segment) -> str:
    """What enters the bridge. IPv4 and ARP only; the kernel need not know connections or bridges here.

    A guest may send from its own MAC and addresses, ask for DHCP (RFC 2131, section 4.1: from 0.0.0.0) and
    probe an address (RFC 5227). It may not answer DHCP, nor speak STP, LLDP, VLAN or IPv6, and so no
    router advertisement. From other nodes nobody speaks as the gateway: it is on every node itself.
    """
    counters = "".join(f"  counter {name} {{ }}\n" for name in COUNTERS)
    ranges = "".join(f"  set {name} {{ {kind} }}\n" for name, kind in _RANGES.items())
    return f"""{_anew("bridge")}table bridge orlop {{
{counters}{ranges}  set macs {{ typeof meta iifname . ether saddr; }}
  set addresses {{ typeof meta iifname . ether saddr . ip saddr; }}
  set senders {{ typeof meta iifname . arp saddr ether . arp saddr ip; }}
  chain prerouting {{
    type filter hook prerouting priority -300; policy drop;
    iifname "{OVERLAY}" goto from_nodes
    iifname . ether saddr != @macs counter name forged_mac drop
    ether type arp goto arp_from_guests
    ether type ip goto ipv4_from_guests
    counter name other_protocol drop
  }}
  chain arp_from_guests {{
    arp htype 1 arp hlen 6 arp plen 4 iifname . arp saddr ether . arp saddr ip @senders accept
    arp operation request arp saddr ip 0.0.0.0 iifname . arp saddr ether @macs accept
    arp saddr ip {segment.gateway} counter name forged_arp drop
    arp htype 1 arp hlen 6 arp plen 4 iifname . arp saddr ether . arp saddr ip @more_senders accept
    counter name forged_arp drop
  }}
  chain ipv4_from_guests {{
    udp sport 67 counter name rogue_dhcp drop
    iifname . ether saddr . ip saddr @addresses accept
    ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
    ip saddr {segment.gateway} counter name forged_address drop
    iifname . ether saddr . ip saddr @more_addresses accept
    counter name forged_address drop
  }}
  chain from_nodes {{
    ether saddr {segment.gateway_mac} counter name forged_overlay drop
    arp saddr ip {segment.gateway} counter name forged_overlay drop
    ip saddr {segment.gateway} counter name forged_overlay drop
    udp sport 67 counter name rogue_dhcp drop
    ether type {{ arp, ip }} accept
    counter name other_protocol drop
  }}
}}
"""


def gateway(segment: Segment) -> str:
    """What the gateway itself answers: DHCP, ping and, where it knows names, DNS.

    And what it lets out: the subnet, if there is a way.
    """
    out = ""
    nat = ""
    dns = ""
    if resolver.answers(segment):
        own = f'iifname "{BRIDGE}" ip saddr {segment.cidr} ip daddr {segment.gateway}'
        dns = f"    {own} udp dport 53 accept\n    {own} tcp dport 53 accept\n"
    if segment.egress:
        out = f"""    iifname "{BRIDGE}" oifname "{UPLINK}" ip daddr {{ 127.0.0.0/8, 169.254.0.0/16 }} counter drop
    iifname "{BRIDGE}" oifname "{UPLINK}" udp dport {VXLAN_PORT} counter drop
    iifname "{BRIDGE}" oifname "{UPLINK}" ip saddr {segment.cidr} accept
"""
        nat = f"""  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname "{UPLINK}" masquerade
  }}
"""
    return f"""{_anew("inet")}table inet orlop {{
  chain input {{
    type filter hook input priority filter; policy drop;
    ct state established accept comment "answers to what the node asked its own guest"
    iifname "{BRIDGE}" udp sport 68 udp dport 67 accept
    iifname "{BRIDGE}" ip saddr {segment.cidr} ip daddr {segment.gateway} icmp type echo-request accept
{dns}    counter drop
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
    iifname "{BRIDGE}" oifname "{BRIDGE}" ether daddr != {segment.gateway_mac} accept comment "bridged"
    ct state established,related accept
{out}    counter drop
  }}
{nat}}}
"""


def node() -> str:
    """The node's own guard: nothing from a guest to the node, nothing from outside to a guest.

    What the node redirected (the cluster's services, ct status dnat) is not for guests, nor are its
    neighbours' overlay ports: a packet that left with the node's address would be believed there.
    """
    return f"""{_anew("inet")}table inet orlop {{
  chain input {{
    type filter hook input priority filter - 10; policy accept;
    iifname "{VETHS}" counter drop
  }}
  chain forward {{
    type filter hook forward priority filter - 10; policy accept;
    iifname "{VETHS}" goto from_guests
    oifname "{VETHS}" ct state established,related accept
    oifname "{VETHS}" counter drop
  }}
  chain from_guests {{
    oifname "{VETHS}" counter drop
    ct status dnat counter drop
    ip daddr 169.254.0.0/16 counter drop
    udp dport {VXLAN_PORT} counter drop
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {UPLINKS} masquerade
  }}
}}
"""


def without_node() -> str:
    """The node as it was; also fine when nothing was there."""
    return "add table inet orlop\ndelete table inet orlop\n"
