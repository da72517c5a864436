"""nftables: who may say what on a Network, and what a guest may ask of its node. Pure text.

Three tables, all named orlop. In the Network's namespace `bridge` holds each guest to its own identity, and
`inet` guards the gateway and the way out; `inet` on the node guards the node. Each text can be
loaded again: one transaction that leaves counters and connections as they are.
"""

from __future__ import annotations

from collections.abc import Collection

from orlop_agent.network import arp_rules, drops, ipv6, physical_rules, resolver, routing, routing6
from orlop_agent.network.drops import FOR_MANY, drop
from orlop_agent.network.floating import KIND, NODE_SET
from orlop_agent.network.identities import LATER
from orlop_agent.network.links import UPLINKS, VXLAN_PORT
from orlop_agent.network.metadata_rules import Metadata
from orlop_agent.network.names import BRIDGE, OVERLAY, PHYSICAL, UPLINK, VETHS
from orlop_agent.network.routing import Place
from orlop_agent.network.segment import Segment

_COUNTERS = ("forged_mac", "forged_arp", "forged_address", "rogue_dhcp", "other_protocol", "forged_overlay")
"""Of agents before there were counts for each NIC."""
_PLAIN = "@ll,96,24 0x080045 meta pkttype other iifname . ether saddr . ip saddr @addresses"
"""IPv4 without options for one receiver, from who it says.

Type and first byte are looked at together: a frame with a VLAN tag has another type there, while `ip saddr` sees the
packet in it. For another than the tap is whatever is not for many; a guest has no reason to speak to its own tap.
"""


def _anew(family: str) -> str:
    return f"add table {family} orlop\nflush table {family} orlop\n"


def anti_spoofing(segment: Segment, place: Place | None = None) -> str:
    """What enters the bridge: IPv4, ARP, and IPv6 where the Network has it. The kernel need not know connections here.

    A guest may send from its own MAC and addresses, ask for DHCP (RFC 2131, section 4.1: from 0.0.0.0) in its own
    name and probe its own addresses (RFC 5227, by which a probe for another's would take that from it). It may not
    be a DHCP server or a router, nor send where it wants by source routes (RFC 791) or what is for one to all
    (RFC 1122, section 3.3.6), nor speak STP, LLDP, LACP or VLAN. From other nodes nobody speaks as the
    gateway: it is on every node itself. Only what such a node routed into the Network bears its MAC, with addresses
    of a Router's other Networks.
    """
    metadata = Metadata(segment)
    return f"""{_anew("bridge")}{_without(_COUNTERS)}table bridge orlop {{
{_sets()}{metadata.sets}{drops.objects()}{_from_guests(segment)}{_ipv4_from_guests(segment)}\
{_from_others(segment, place)}}}
"""


def _from_others(segment: Segment, place: Place | None) -> str:
    if segment.physical is not None:
        return physical_rules.from_physical(segment)
    metadata = Metadata(segment)
    routed = routing.overlay_rules(place) + routing6.overlay_rules(place) if place is not None else ""
    also6 = "    ether type ip6 jump ipv6_from_nodes\n" if segment.ipv6 is not None else ""
    found = {"arp, ip": segment.ipv4, "ip6": segment.ipv6}
    kinds = ", ".join(kind for kind, subnet in found.items() if subnet is not None)
    elsewhere = f"ip saddr != {metadata.gateway}{metadata.elsewhere}"
    rules4 = f"""    ether saddr != {segment.gateway_mac} ether type ip {elsewhere} goto plain_from_nodes
    arp saddr ip {metadata.gateway} {drop("forged_overlay")}
    ip saddr {metadata.gateway} {drop("forged_overlay")}
"""
    return f"""  chain from_nodes {{
{rules4 if segment.ipv4 is not None else ""}{metadata.overlay}    udp sport 67 {drop("rogue_dhcp")}
    udp dport 68 {drop("rogue_dhcp")}
{also6}{routed}    ether saddr {segment.gateway_mac} {drop("forged_overlay")}
    ether type {{ {kinds} }} accept
    {drop("other_protocol")}
  }}
  chain plain_from_nodes {{
    meta l4proto tcp accept
    udp sport 67 {drop("rogue_dhcp")}
    udp dport 68 {drop("rogue_dhcp")}
    accept
  }}
{_ipv6_from_nodes(segment)}{metadata.answers}"""


def _ipv6_from_nodes(segment: Segment) -> str:
    if segment.ipv6 is None:
        return ""
    metadata = Metadata(segment)
    rules = ipv6.from_nodes(segment.ipv6, segment.gateway_mac, metadata.gateway6)
    return f"  chain ipv6_from_nodes {{\n{rules}{metadata.overlay6}  }}\n"


def _without(counters: Collection[str]) -> str:
    """Takes away what only an older agent's rules used; those must be gone already."""
    return "".join(
        f"add counter bridge orlop {name}\ndelete counter bridge orlop {name}\n" for name in counters
    )


def _sets() -> str:
    return (
        "".join(f"  set {name} {{ {kind} }}\n" for name, kind in LATER.items())
        + """\
  set macs { typeof meta iifname . ether saddr; }
  set addresses { typeof meta iifname . ether saddr . ip saddr; }
  set senders { typeof meta iifname . arp saddr ether . arp saddr ip; }
"""
    )


def _from_guests(segment: Segment) -> str:
    """The bridge hands what is for LACP's address to `input` alone, and all else of its kind to `prerouting`.

    Most of what is said is TCP, or UDP that is no DHCP: of that nothing else has to be looked at than whose it is. What
    these rules leave, those behind them say why.
    """
    others = (OVERLAY, "from_nodes") if segment.physical is None else (PHYSICAL, "from_physical")
    return f"""  chain prerouting {{
    type filter hook prerouting priority -300; policy drop;
    iifname "{others[0]}" goto {others[1]}
    {_PLAIN} goto plain
    iifname . ether saddr != @macs {drop("forged_mac")}
    ether daddr 01:80:c2:00:00:00-01:80:c2:00:00:0f {drop("link_control")}
    ether type ip goto ipv4_from_guests
    ether type arp goto arp_from_guests
    ether type ip6 goto ipv6_from_guests
    ether type {{ 8021q, 8021ad }} {drop("vlan")}
    {drop("other_protocol")}
  }}
  chain plain {{
    meta l4proto tcp accept
    udp sport != 67 udp dport != 67-68 accept
    goto ipv4_from_guests
  }}
  chain input {{
    type filter hook input priority -300; policy accept;
    ether daddr 01:80:c2:00:00:00-01:80:c2:00:00:0f {drop("link_control")}
  }}
{arp_rules.from_guests(segment)}  chain ipv6_from_guests {{
    icmpv6 type {{ nd-router-advert, nd-redirect }} {drop("rogue_router")}
    udp sport 547 {drop("rogue_dhcp")}
    udp dport 546 {drop("rogue_dhcp")}
{ipv6.from_guests() if segment.ipv6 is not None else f"    {drop('ipv6')}"}
  }}
"""


def _ipv4_from_guests(segment: Segment) -> str:
    """A header that is none has no protocol for nftables. What is TCP takes the shortest way; it may be longer than
    the MTU, and UDP too, for guests leave the cutting to the node.
    """
    if segment.cidr is None:
        return f"  chain ipv4_from_guests {{\n    {drop('ipv4')}\n  }}\n"
    metadata = Metadata(segment)
    everybody = f"{{ 255.255.255.255, {segment.cidr.broadcast_address}, 224.0.0.0/4 }}"
    return f"""  chain ipv4_from_guests {{
    ip hdrlength > 5 jump options_from_guests
    meta l4proto != tcp jump beside_tcp_from_guests
    {FOR_MANY} ip daddr != {everybody} {drop("misdirected")}
    meta l4proto != 255 iifname . ether saddr . ip saddr @addresses accept
    ip saddr {metadata.gateway} {drop("forged_address")}
{metadata.asked}    meta l4proto != 255 iifname . ether saddr . ip saddr @more_addresses accept
    meta l4proto != 255 {drop("forged_address")}
    {drop("malformed")}
  }}
  chain options_from_guests {{
    ip option lsrr exists {drop("source_route")}
    ip option ssrr exists {drop("source_route")}
  }}
  chain beside_tcp_from_guests {{
    udp sport 67 {drop("rogue_dhcp")}
    udp dport 68 {drop("rogue_dhcp")}
    udp dport 67 goto dhcp_from_guests
    icmp type {{ redirect, router-advertisement }} {drop("rogue_router")}
    meta l4proto != udp meta length > {segment.mtu} {drop("oversized")}
  }}
  chain dhcp_from_guests {{
    ip frag-off & 0x3fff != 0 {drop("forged_dhcp")}
    @th,64,24 0x010106 @th,256,32 0 iifname . @th,288,48 @chaddrs goto dhcp_in_own_name
    {drop("forged_dhcp")}
  }}
  chain dhcp_in_own_name {{
{physical_rules.to_server(segment)}    ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 accept
  }}
"""


def gateway(segment: Segment, place: Place | None = None) -> str:
    """What the gateway itself answers: DHCP, ping and, where it knows names, DNS.

    And what it lets out: the subnet, if there is a way. And what is routed between a Router's Networks.
    """
    routed = routing.forward_rules(place) + routing6.forward_rules(place) if place is not None else ""
    pings = routing.input_rules(place) + routing6.input_rules(place) if place is not None else ""
    out = ""
    nat = ""
    listening = resolver.listening(segment)
    ask6 = ""
    if segment.ipv6 is not None:
        ask6 = ipv6.gateway_rules(segment.ipv6, answers=segment.ipv6.gateway in listening)
    dns = ask4 = ""
    if segment.ipv4 is not None:
        own = f'iifname "{BRIDGE}" ip saddr {segment.cidr} ip daddr {segment.gateway}'
        ask4 = f'    iifname "{BRIDGE}" udp sport 68 udp dport 67 accept\n    {own} icmp type echo-request accept\n'
        if segment.gateway in listening:
            dns = f"    {own} udp dport 53 accept\n    {own} tcp dport 53 accept\n"
    metadata = Metadata(segment)
    if segment.egress:
        out = f"""    iifname "{BRIDGE}" oifname "{UPLINK}" ip daddr {{ 127.0.0.0/8, 169.254.0.0/16 }} counter drop
    iifname "{BRIDGE}" oifname "{UPLINK}" udp dport {VXLAN_PORT} counter drop
    iifname "{BRIDGE}" oifname "{UPLINK}" ip saddr {segment.cidr} accept
    iifname "{UPLINK}" oifname "{BRIDGE}" ct status dnat accept comment "by a floating address"
"""
        nat = f"""  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname "{UPLINK}" masquerade
  }}
"""
    return f"""{_anew("inet")}table inet orlop {{
{metadata.meter}  chain input {{
    type filter hook input priority filter; policy drop;
    ct state established accept comment "answers to what the node asked its own guest"
{ask4}{pings}{dns}{ask6}{metadata.asking}    counter drop
  }}
{metadata.waiting}  chain forward {{
    type filter hook forward priority filter; policy drop;
    iifname "{BRIDGE}" oifname "{BRIDGE}" ether daddr != {segment.gateway_mac} accept comment "bridged"
{routed}    ct state established,related accept
{out}    counter drop
  }}
{nat}}}
"""


def node() -> str:
    """The node's own guard: nothing from a guest to the node, nothing from outside to a guest but by its floating
    address, which nobody else speaks as.

    What the node redirected (the cluster's services, ct status dnat) is not for guests, nor are its
    neighbours' overlay ports: a packet that left with the node's address would be believed there.
    """
    return f"""{_anew("inet")}table inet orlop {{
  set {NODE_SET} {{ {KIND} }}
  chain input {{
    type filter hook input priority filter - 10; policy accept;
    iifname . ip saddr @{NODE_SET} ct direction reply ct state established accept comment "what the node asked"
    iifname "{VETHS}" counter drop
  }}
  chain forward {{
    type filter hook forward priority filter - 10; policy accept;
    iifname "{VETHS}" goto from_guests
    oifname "{VETHS}" ct state established,related accept
    oifname . ip daddr @{NODE_SET} accept
    oifname "{VETHS}" counter drop
  }}
  chain from_guests {{
    ip saddr != {UPLINKS} iifname . ip saddr != @{NODE_SET} counter drop
    udp dport {VXLAN_PORT} counter drop
    iifname . ip saddr @{NODE_SET} ct direction reply ct state established accept
    ct status dnat counter drop
    ip daddr 169.254.0.0/16 counter drop
    oifname . ip daddr @{NODE_SET} accept
    oifname "{VETHS}" counter drop
  }}
  chain unchanged {{
    type nat hook postrouting priority srcnat - 10; policy accept;
    ip saddr != {UPLINKS} iifname . ip saddr @{NODE_SET} snat ip to ip saddr comment "whatever the node translates"
    ip saddr != {UPLINKS} oifname . ip daddr @{NODE_SET} snat ip to ip saddr
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
