"""What the kernel is told of a namespace (Documentation/networking/ip-sysctl.rst), as scripts. Pure text."""

from __future__ import annotations

from orlop_agent.network.names import BRIDGE
from orlop_agent.network.segment import Segment

_ROUTES = """
cd /proc/sys/net
set_if_there() { for file in $2; do [ ! -e "$file" ] || echo "$1" > "$file"; done; }
echo 1 > ipv4/ip_forward
set_if_there 0 'ipv4/conf/all/send_redirects ipv4/conf/default/send_redirects'
"""
_NO_IPV6 = """
set_if_there 1 'ipv6/conf/all/disable_ipv6 ipv6/conf/default/disable_ipv6'
"""
_ALL = f"""{_ROUTES}
set_if_there 1 'ipv4/conf/all/arp_ignore'
set_if_there 2 'ipv4/conf/all/arp_announce'
set_if_there 0 'bridge/bridge-nf-call-arptables'
"""
_IPV4_ALONE = f"{_NO_IPV6}set_if_there 0 'bridge/bridge-nf-call-ip6tables'\n"
ROUTER = f"{_ROUTES}{_NO_IPV6}set_if_there 1 'ipv4/conf/all/rp_filter'\n"
"""A Router's namespace: it routes, and takes from each Network only what it would send there (RFC 3704)."""
_WITH_IPV6 = f"""
echo 1 > ipv6/conf/default/disable_ipv6
for each in ipv6/conf/*; do
  case "$each" in */all|*/default|*/{BRIDGE}) ;; *) echo 1 > "$each/disable_ipv6" ;; esac
done
echo 1 > ipv6/conf/all/forwarding
"""
BRIDGE6 = f"""
cd /proc/sys/net/ipv6/conf/{BRIDGE}
echo 0 > accept_dad; echo 0 > accept_ra; echo 0 > autoconf; echo 1 > addr_gen_mode
[ "$(cat disable_ipv6)" = 0 ] || echo 0 > disable_ipv6
"""
"""Once the bridge is there: its addresses are those that it is given, and nobody is asked whether they are free."""


def settings(segment: Segment) -> str:
    """It routes; an address is answered for only where it is, and the gateway asks as itself.

    IPv6 is on the bridge alone, where the Network has it. Taps and the overlay device carry what others say.
    Whether what is bridged is shown to the inet tables the Guardian says.
    """
    return _ALL + (_IPV4_ALONE if segment.ipv6 is None else _WITH_IPV6)
