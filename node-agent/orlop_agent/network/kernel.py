"""What the kernel is told of a namespace (Documentation/networking/ip-sysctl.rst), as scripts. Pure text."""

from __future__ import annotations

from orlop_agent.network.names import BRIDGE, ROUTER_LINKS
from orlop_agent.network.segment import Segment

_ROUTES = """
cd /proc/sys/net
set_if_there() { for file in $2; do [ ! -e "$file" ] || echo "$1" > "$file"; done; }
echo 1 > ipv4/ip_forward
set_if_there 0 'ipv4/conf/all/send_redirects ipv4/conf/default/send_redirects'
"""
NODE_ROUTES = """
cd /proc/sys/net/ipv4
[ "$(cat ip_forward)" != 0 ] || echo 1 > ip_forward
"""
"""The node, where a Network has a way out: as CNI plug-ins have it, which a node without pods has not run yet."""
_NO_IPV6 = """
set_if_there 1 'ipv6/conf/all/disable_ipv6 ipv6/conf/default/disable_ipv6'
"""
_ALL = f"""{_ROUTES}
set_if_there 1 'ipv4/conf/all/arp_ignore'
set_if_there 2 'ipv4/conf/all/arp_announce'
set_if_there 0 'bridge/bridge-nf-call-arptables'
"""
_NOTHING_SHOWN = """
set_if_there 0 'bridge/bridge-nf-call-iptables bridge/bridge-nf-call-ip6tables'
"""
_IPV4_ALONE = f"{_NO_IPV6}set_if_there 0 'bridge/bridge-nf-call-ip6tables'\n"
_WITH_IPV6 = f"""
echo 1 > ipv6/conf/default/disable_ipv6
for each in ipv6/conf/*; do
  case "$each" in */all|*/default|*/{BRIDGE}|*/{ROUTER_LINKS}*) ;; *) echo 1 > "$each/disable_ipv6" ;; esac
done
echo 1 > ipv6/conf/all/forwarding
"""
_ROUTER = f"""{_ROUTES}
set_if_there 1 'ipv6/conf/default/disable_ipv6'
set_if_there 1 'ipv4/conf/all/rp_filter'
"""


def ipv6_on(interface: str) -> str:
    """Once it is there: its addresses are those that it is given, and nobody is asked whether they are free."""
    return f"""
cd /proc/sys/net/ipv6/conf/{interface}
echo 0 > accept_dad; echo 0 > accept_ra; echo 0 > autoconf; echo 1 > addr_gen_mode
[ "$(cat disable_ipv6)" = 0 ] || echo 0 > disable_ipv6
"""


def router(link: str, *, has_ipv6: bool) -> str:
    """A Router's namespace, with one of its links: it routes, and takes from each Network only what it would send
    there: rp_filter (RFC 3704), which Linux has of IPv4 alone; of IPv6 rules say it.
    """
    if not has_ipv6:
        return f"{_ROUTER}set_if_there 1 'ipv6/conf/{link}/disable_ipv6'\n"
    return f"{_ROUTER}echo 1 > ipv6/conf/all/forwarding\n{ipv6_on(link)}"


def settings(segment: Segment, *, is_new: bool) -> str:
    """It routes; an address is answered for only where it is, and the gateway asks as itself.

    IPv6 is on the bridge, where the Network has it, and on the link to its Router. Taps and the overlay device carry
    what others say. Whether what is bridged is shown to the inet tables the Guardian says; at first it is not.
    """
    return _ALL + (_IPV4_ALONE if segment.ipv6 is None else _WITH_IPV6) + (_NOTHING_SHOWN if is_new else "")
