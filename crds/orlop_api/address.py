"""CEL for IPv4 addresses and ranges: what a manifest may say about a Network, checked by the API server.

Kubernetes' CEL knows isIP, ip, isCIDR and cidr (documentation, "Common Expression Language in Kubernetes"),
but has no order on addresses; here an address becomes a number. Rules on a field are checked together
with those on its parent, so every expression first asks whether what it reads can be read: one mistake, one
message.
"""

from __future__ import annotations

from orlop_api.resource import rule

IPV4 = rule("isIP(self) && ip(self).family() == 4", "must be an IPv4 address, for example 10.10.0.20")
IP = rule("isIP(self)", "must be an IPv4 or IPv6 address, for example 10.10.0.20 or fd00:10::20")
MAC = rule(
    "self.matches('^[0-9a-f][26ae](:[0-9a-f]{2}){5}$')",
    "must be a unicast, locally administered MAC address in lower case, for example 02:00:00:00:00:2a",
)
_RESERVED = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4")
_SIZES = [2 ** (32 - prefix) for prefix in range(16, 30)]

CIDR = (
    rule(
        "isCIDR(self) && cidr(self) == cidr(self).masked()",
        "must be a network address with its prefix, for example 10.10.0.0/24 or fd00:10::/64",
    ),
    rule(
        "!isCIDR(self) || cidr(self).ip().family() == 6"
        " || (cidr(self).prefixLength() >= 16 && cidr(self).prefixLength() <= 29)",
        "must have a prefix from /16 to /29",
    ),
    rule(
        f"!isCIDR(self) || cidr(self).ip().family() == 6"
        f" || !{list(_RESERVED)}.exists(r, cidr(r).containsIP(cidr(self).ip()))",
        f"must not be in a reserved range ({', '.join(_RESERVED)})",
    ),
)


def _low(address: str) -> str:
    """The last 16 bits of an address; within a range of prefix 16 or more they order the addresses.

    Kept this short for the API server's estimate of a rule's cost, which has a limit.
    """
    return f"(int({address}.split('.')[2]) * 256 + int({address}.split('.')[3]))"


def inside(address: str) -> str:
    """Whether the address is readable and a host's: in self.cidr, neither its network nor its broadcast."""
    offset = f"{_low(address)} % {_SIZE}"
    return (
        f"isIP({address}) && cidr(self.cidr).containsIP({address}) && {offset} > 0 && {offset} < {_SIZE} - 1"
    )


ADDRESS_OR_RANGE = (
    rule(
        "isIP(self) ? ip(self).family() == 4 : isCIDR(self) && cidr(self).ip().family() == 4"
        " && cidr(self) == cidr(self).masked() && cidr(self).prefixLength() >= 16",
        "must be an IPv4 address or a range from /16 to /32, for example 10.10.0.100 or 10.10.1.0/24",
    ),
    rule(
        f"!{list(_RESERVED)}.exists(r, isIP(self) ? ip(self).family() == 4 && cidr(r).containsIP(self)"
        " : isCIDR(self) && cidr(self).ip().family() == 4 && cidr(r).containsIP(cidr(self).ip()))",
        f"must not be in a reserved range ({', '.join(_RESERVED)})",
    ),
)
"""What a Port may use beside its own address."""

RANGE = (
    "isCIDR(self.cidr) && cidr(self.cidr).ip().family() == 4"
    " && cidr(self.cidr).prefixLength() >= 16 && cidr(self.cidr).prefixLength() <= 29"
)
_SIZE = f"{_SIZES}[cidr(self.cidr).prefixLength() - 16]"
_POOLS_INSIDE = f"self.pools.all(p, {inside('p.start')} && {inside('p.end')})"
_IN_ORDER = f"self.pools.all(p, {_low('p.start')} <= {_low('p.end')})"
_APART = (
    f"self.pools.all(p, self.pools.exists_one(q, {_low('q.start')} <= {_low('p.end')}"
    f" && {_low('p.start')} <= {_low('q.end')}))"
)

SUBNET = (
    rule(
        f"!has(self.gateway) || !({RANGE}) || !isIP(self.gateway) || ({inside('self.gateway')})",
        "gateway must be a host address inside cidr: not outside it, not its first, not its last",
    ),
    rule(
        f"!has(self.pools) || !({RANGE}) || !self.pools.all(p, isIP(p.start) && isIP(p.end))"
        f" || {_POOLS_INSIDE}",
        "pools must start and end at host addresses inside cidr: not outside it, not its first, not its last",
    ),
    rule(
        f"!has(self.pools) || !({RANGE}) || !({_POOLS_INSIDE}) || {_IN_ORDER}",
        "a pool's start must not be above its end",
    ),
    rule(
        f"!has(self.pools) || !({RANGE}) || !({_POOLS_INSIDE}) || !({_IN_ORDER}) || {_APART}",
        "pools must not overlap: an address may be in one pool only",
    ),
)
