"""What SecurityGroups mean for the NICs of one Network on this node. Pure.

A NIC's groups are those that its Port's status says; before the Port is known, those of the order. Members of
a group are addresses of Ports on the same Network, or on one that a Router joins with it, wherever they are. Nothing
else reaches a ruleset than what is made here: numbers, addresses, networks, and uids that were looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_network

from orlop_agent.network.ipv6 import IpAddress, parsed, spoken
from orlop_agent.network.segment import Attachment
from orlop_api.port import Port
from orlop_api.security_group import IcmpType, Protocol, SecurityGroup, SecurityGroupRule, remotes

_UID = re.compile(r"[0-9A-Za-z-]{1,64}")
_IP, _ICMP_NAME = {4: "ip", 6: "ip6"}, {4: "icmp", 6: "icmpv6"}
_ICMP = {
    4: {
        IcmpType.ECHO_REQUEST: "icmp type { echo-request, echo-reply }",
        IcmpType.TIMESTAMP_REQUEST: "icmp type { timestamp-request, timestamp-reply }",
    },
    6: {IcmpType.ECHO_REQUEST: "icmpv6 type { echo-request, echo-reply }"},
}
"""Both directions of the exchange; which side began it is told by the connection's own addresses."""


UNKNOWN = "it is not known yet which SecurityGroups are in force here: a NIC comes up only after its rules"


@dataclass(frozen=True)
class Rules:
    """One group's, as nftables has them."""

    ingress: tuple[str, ...] = ()
    egress: tuple[str, ...] = ()


@dataclass(frozen=True)
class Guard:
    """What shall be in force in the Network's namespace."""

    nics: Mapping[IpAddress, tuple[str, ...]] = field(default_factory=dict)
    """The groups of each address of a NIC here that has any, by uid, in order."""
    taps: frozenset[tuple[str, IpAddress]] = frozenset()
    """Those NICs' taps with their addresses."""
    rules: Mapping[str, Rules] = field(default_factory=dict)
    """Of each of those groups; one that is not known allows nothing."""
    members: Mapping[str, frozenset[IpAddress]] = field(default_factory=dict)
    """Of each group that a rule names."""
    owned: frozenset[IPv4Address] = frozenset()
    """Of NICs that have any, wherever they run: nobody else passes for them, whatever else allows it. Of IPv6
    nothing allows it."""
    watched: bool = False
    """Whether connections are to be known: some NIC of the Network, here or elsewhere, has groups."""


def in_force(attachment: Attachment, ports: Mapping[str, Port]) -> tuple[str, ...]:
    """Uids of the groups of a NIC. Raises ValueError."""
    port = ports.get(attachment.mac)
    status = port.status if port is not None and port.metadata.name == attachment.nic.port_name else None
    if status is not None and status.security_groups is not None:
        found = status.security_groups
    else:
        found = attachment.nic.security.groups if attachment.nic.security is not None else []
    return tuple(sorted({_checked(uid) for uid in found}))


def by_mac(ports: Iterable[Port]) -> dict[str, Port]:
    """The Ports of one Network, by what only one of them has."""
    return {port.status.mac_address: port for port in ports if port.status and port.status.mac_address}


def homes(attachments: Iterable[Attachment], ports: Iterable[Port]) -> set[str]:
    """Namespaces whose SecurityGroups are in force for somebody."""
    ordered = (each.nic.security for each in attachments)
    found = {security.namespace for security in ordered if security is not None and security.groups}
    return found | {p.metadata.namespace for p in ports if p.status and p.status.security_groups}


def guard(
    attachments: Iterable[Attachment],
    ports: Iterable[Port],
    groups: Mapping[str, SecurityGroup],
    others: Iterable[Port] = (),
) -> Guard:
    """What shall be in force, by the groups as they are known, by uid. Raises ValueError.

    `others` are Ports of Networks that a Router joins with this one: members of groups like its own.
    """
    ports = list(ports)
    known_ports = by_mac(ports)
    nics: dict[IpAddress, tuple[str, ...]] = {}
    taps: set[tuple[str, IpAddress]] = set()
    families: tuple[int, ...] = (4,)
    for attachment in attachments:
        families = (4, 6) if attachment.ipv6 is not None else families
        uids = in_force(attachment, known_ports)
        if uids:
            nics |= dict.fromkeys(attachment.all_addresses, uids)
            taps |= {(attachment.tap, address) for address in attachment.all_addresses}
    uids_of = {
        (group.metadata.namespace, group.metadata.name): _checked(uid) for uid, group in groups.items()
    }
    used = sorted({uid for uids in nics.values() for uid in uids})
    known = {uid: groups[uid] for uid in used if uid in groups}
    rules = {uid: _rules(known[uid], uids_of, families) if uid in known else Rules() for uid in used}
    remote = {uid for group in known.values() for uid in _remotes(group, uids_of)}
    members: dict[str, set[IpAddress]] = {uid: set() for uid in remote}
    watched = bool(nics)
    watched |= any(port.status is not None and port.status.security_groups for port in ports)
    in_use = (p.status for p in ports if p.status and p.status.security_groups and p.status.binding)
    owned = {each for each in nics if isinstance(each, IPv4Address)}
    addresses = (parsed(each) for status in in_use for each in status.addresses)
    owned |= {each for each in addresses if isinstance(each, IPv4Address)}
    for port, is_here in (*((each, True) for each in ports), *((each, False) for each in others)):
        status = port.status
        if status is None or not status.security_groups:
            continue
        for uid in remote.intersection(status.security_groups):
            found = spoken(status.mac_address or "", status.addresses)
            # A link-local address is somebody's on one Network alone.
            members[uid].update(each for each in found if is_here or not each.is_link_local)
    frozen = {uid: frozenset(addresses) for uid, addresses in members.items()}
    return Guard(nics, frozenset(taps), rules, frozen, frozenset(owned), watched)


def members_set(uid: str, family: int = 4) -> str:
    """Name of the set of a group's members of a family."""
    return f"of_{uid}" if family == 4 else f"of_{uid}_6"


def _remotes(group: SecurityGroup, uids_of: Mapping[tuple[str, str], str]) -> set[str]:
    names = ((group.metadata.namespace, name) for name in remotes(group))
    return {uids_of[name] for name in names if name in uids_of}


def _rules(group: SecurityGroup, uids_of: Mapping[tuple[str, str], str], families: Sequence[int]) -> Rules:
    home = group.metadata.namespace
    near = {name: uid for (namespace, name), uid in uids_of.items() if namespace == home}

    def lines(rules: Iterable[SecurityGroupRule], other: str, port: str) -> tuple[str, ...]:
        found = (_line(rule, near, family, other, port) for rule in rules for family in families)
        return tuple(line for line in found if line is not None)

    return Rules(
        lines(group.spec.ingress, "saddr", "reply proto-src"),
        lines(group.spec.egress, "daddr", "original proto-dst"),
    )


def _line(
    rule: SecurityGroupRule, uids_of: Mapping[str, str], family: int, other: str, port: str
) -> str | None:
    """One rule for one family; None where it is not about that, or names a group that does not exist, and so nobody.

    It is about the connection, not the packet: who began it with whom is the same for what is answered.
    """
    words: list[str] = []
    if rule.security_group_ref is not None:
        uid = uids_of.get(rule.security_group_ref.name)
        if uid is None:
            return None
        words.append(f"ct original {_IP[family]} {other} @{members_set(uid, family)}")
    elif rule.cidr is not None:
        network = ip_network(rule.cidr)
        if network.version != family:
            return None
        everybody = f"meta nfproto ipv{family}"
        words.append(f"ct original {_IP[family]} {other} {network}" if network.prefixlen else everybody)
    else:
        return None
    match rule.protocol:
        case Protocol.TCP | Protocol.UDP:
            words.append(f"meta l4proto {rule.protocol.value.lower()}")
            if rule.port is not None:
                last = rule.end_port if rule.end_port is not None else rule.port
                words.append(
                    f"ct {port} {rule.port}" if last == rule.port else f"ct {port} {rule.port}-{last}"
                )
        case Protocol.ICMP:
            kinds, whole = _ICMP[family], f"meta l4proto {_ICMP_NAME[family]}"
            if rule.icmp_type is not None and rule.icmp_type not in kinds:
                return None
            words.append(kinds[rule.icmp_type] if rule.icmp_type is not None else whole)
        case Protocol.ALL:
            pass
    return " ".join([*words, "accept"])


def _checked(uid: str) -> str:
    if not _UID.fullmatch(uid):
        raise ValueError(f"{uid!r} is not a uid")
    return uid
