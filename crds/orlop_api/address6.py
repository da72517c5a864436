"""CEL for the IPv6 subnet of a Network, and the addresses that follow from a MAC address. Pure.

See address.py for how the rules hang together: each asks first whether what it reads can be read.
"""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network

from orlop_api.resource import rule

LINK_LOCAL = IPv6Network("fe80::/64")
"""RFC 4291, section 2.5.6."""
_ROUTED = ("2000::/3", "fd00::/8")
"""Global unicast (RFC 4291, section 2.4) and what everybody may give themselves (RFC 4193, section 3.2)."""
_IS_V6 = "isCIDR(self.cidr) && cidr(self.cidr).ip().family() == 6"

IPV6 = rule("isIP(self) && ip(self).family() == 6", "must be an IPv6 address, for example fd00:10::20")
CIDR6 = (
    rule(
        "!isCIDR(self) || cidr(self).ip().family() == 4"
        " || (cidr(self).prefixLength() >= 64 && cidr(self).prefixLength() <= 120)",
        "must have a prefix from /64 to /120",
    ),
    rule(
        "!isCIDR(self) || cidr(self).ip().family() == 4"
        f" || {list(_ROUTED)}.exists(r, cidr(r).containsIP(cidr(self).ip()))",
        f"must be in a range that guests can use ({', '.join(_ROUTED)})",
    ),
)

SUBNET6 = (
    rule(
        f"!({_IS_V6}) || !has(self.ipv6Mode) || self.ipv6Mode != 'SLAAC' || cidr(self.cidr).prefixLength() == 64",
        "ipv6Mode SLAAC needs a prefix of /64: a guest makes the other half of the address from its MAC address",
    ),
    rule(
        f"!({_IS_V6}) || !has(self.gateway) || !isIP(self.gateway)"
        " || (cidr(self.cidr).containsIP(self.gateway)"
        " && !cidr(self.gateway + '/128').containsIP(cidr(self.cidr).ip()))",
        "gateway must be an address inside cidr, and not its first, which is every router's",
    ),
    rule(
        f"!({_IS_V6}) || !has(self.dns) || self.dns.all(d, !isIP(d) || ip(d).family() == 6)",
        "dns of an IPv6 subnet must be IPv6 addresses; IPv4 ones go with the IPv4 subnet",
    ),
    rule(
        f"!({_IS_V6}) || ("
        "(!has(self.pools) || self.pools.size() == 0)"
        " && (!has(self.ntp) || self.ntp.size() == 0) && (!has(self.routes) || self.routes.size() == 0))",
        "pools, ntp and routes are of an IPv4 subnet: leave them out of the IPv6 one",
    ),
    rule(
        f"!has(self.ipv6Mode) || !isCIDR(self.cidr) || ({_IS_V6})",
        "ipv6Mode goes with an IPv6 cidr",
    ),
    rule(
        "!isCIDR(self.cidr) || cidr(self.cidr).ip().family() == 6 || !has(self.dns)"
        " || self.dns.all(d, !isIP(d) || ip(d).family() == 4)",
        "dns of an IPv4 subnet must be IPv4 addresses; IPv6 ones go with the IPv6 subnet",
    ),
)

ONE_OF_EACH = rule(
    "self.size() < 2 || ((!isCIDR(self[0].cidr) || cidr(self[0].cidr).ip().family() == 4)"
    " && (!isCIDR(self[1].cidr) || cidr(self[1].cidr).ip().family() == 6))",
    "subnets must be one of IPv4, one of IPv6, or one of IPv4 and then one of IPv6",
)
TOLD_ONCE = rule(
    "self.size() < 2 || (!has(self[1].domain) && (!has(self[1].search) || self[1].search.size() == 0))",
    "domain and search are of the first subnet, and hold for both: leave them out of the second",
)
ALIKE = rule(
    "self.size() < 2 || (has(self[0].dhcp) ? self[0].dhcp : 'Enabled')"
    " == (has(self[1].dhcp) ? self[1].dhcp : 'Enabled')",
    "dhcp must be the same in both subnets",
)
MTU6 = rule(
    "!has(self.mtu) || self.mtu >= 1280 || !self.subnets.exists(s, s.cidr.contains(':'))",
    "mtu must be at least 1280 with an IPv6 subnet (RFC 8200)",
)


def interface_id(mac: str) -> int:
    """The low 64 bits that a guest makes of its MAC address: modified EUI-64 (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    return int.from_bytes(bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:], "big")


def eui64(prefix: IPv6Network, mac: str) -> IPv6Address:
    """The address that a NIC gives itself in a /64 (RFC 4862, section 5.5.3)."""
    return IPv6Address(int(prefix.network_address) | interface_id(mac))


def mac_of(address: str) -> str:
    """The MAC address that an address was made of: the reverse of eui64."""
    low = (int(IPv6Address(address)) & (1 << 64) - 1).to_bytes(8, "big")
    return (bytes([low[0] ^ 2]) + low[1:3] + low[5:]).hex(":")


def link_local(mac: str) -> IPv6Address:
    """The address that every NIC has on its own link (RFC 4862, section 5.3)."""
    return eui64(LINK_LOCAL, mac)
