"""What guests of a subnet are told beside their address, and how the API server checks it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orlop_api.address import IPV4, RANGE, inside
from orlop_api.resource import ApiModel, Ipv4, rule, rules

DEFAULT_DOMAIN = "orlop.internal"
"""Domain of names within a Network that gives none: `internal` is kept free for private use (ICANN, 2024)."""
DOMAIN_PATTERN = "([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])*[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
"""RFC 1123, section 2.1; the last label is none of an address."""
DOMAIN_LENGTH = 80
"""An Instance's name and a namespace of 63 characters each go before it, and a name has at most 253 (RFC 1035). With
eight routes, four servers of each kind and a host name of 63 characters it and the domains to search fit in an
answer to a client that takes no more than every client must: 312 bytes of options, and two fields lent to them
(RFC 2131, section 2)."""
_TAKEN = "(.*[.])?(arpa|localhost)"

DOMAIN = (
    rule(
        f"self.matches('^{DOMAIN_PATTERN}$')",
        "must be a DNS domain in lower case, without a dot at its end, for example lab.example",
    ),
    rule(
        f"!self.matches('^{_TAKEN}$')",
        "must be a domain whose names can be given: arpa and localhost mean something else",
    ),
)

Domain = Annotated[str, Field(min_length=1, max_length=DOMAIN_LENGTH, json_schema_extra=rules(*DOMAIN))]
"""As users write it."""
AssignedDomain = Annotated[str, Field(min_length=1, max_length=DOMAIN_LENGTH)]
"""As it was checked before; the node looks once more."""

_NOWHERE = ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4")
MOST_ROUTES = 8
MOST_SEARCHED = 4

DESTINATION = (
    rule(
        "isCIDR(self) && cidr(self).ip().family() == 4 && cidr(self) == cidr(self).masked()",
        "must be a network address with its prefix, for example 10.20.0.0/16",
    ),
    rule(
        "!isCIDR(self) || cidr(self).prefixLength() > 0",
        "must be narrower than everything: the way there is the gateway, by egress NAT",
    ),
    rule(
        f"!isCIDR(self) || cidr(self).prefixLength() == 0"
        f" || !{list(_NOWHERE)}.exists(r, cidr(r).containsIP(cidr(self).ip()))",
        f"must not be in a range that nobody routes ({', '.join(_NOWHERE)})",
    ),
)

_READABLE = "self.routes.all(r, isIP(r.via) && isCIDR(r.destination))"
SUBNET_OPTIONS = (
    rule(
        f"!has(self.routes) || !({RANGE}) || !({_READABLE}) || self.routes.all(r, {inside('r.via')})",
        "routes must go via host addresses inside cidr: not outside it, not its first, not its last",
    ),
    rule(
        f"!has(self.routes) || !({RANGE}) || !({_READABLE})"
        " || self.routes.all(r, !cidr(self.cidr).containsCIDR(r.destination))",
        "routes must lead out of cidr: all addresses inside it are on the link",
    ),
    rule(
        "!has(self.ntp) || self.ntp.size() == 0 || !has(self.dhcp) || self.dhcp == 'Enabled'",
        "ntp servers are told by DHCP alone: leave them out, or set dhcp to Enabled",
    ),
    rule(
        f"!has(self.search) || self.search.size() == 0 || self.search.map(d, d.size()).sum()"
        f" + (has(self.domain) ? self.domain.size() : {len(DEFAULT_DOMAIN)}) <= {DOMAIN_LENGTH}",
        f"domain and search must have at most {DOMAIN_LENGTH} characters altogether",
    ),
)


class Route(ApiModel):
    """A way that guests know beside the gateway's."""

    destination: Annotated[str, Field(max_length=18, json_schema_extra=rules(*DESTINATION))]
    """The addresses that it leads to, in CIDR form, for example 10.20.0.0/16."""
    via: Annotated[Ipv4, Field(json_schema_extra=rules(IPV4))]
    """The router: an address inside the subnet."""


class AssignedRoute(ApiModel):
    """The same, as it was checked before."""

    destination: Annotated[str, Field(max_length=18)]
    """The addresses that it leads to."""
    via: Ipv4
    """The router."""
