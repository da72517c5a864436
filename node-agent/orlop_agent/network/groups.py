"""What SecurityGroups mean for the NICs of one Network on this node. Pure.

A NIC's groups are those that its Port's status says; before the Port is known, those of the order. Members of
a group are addresses of Ports on the same Network, or on one that a Router joins with it, wherever they are. Nothing
else reaches a ruleset than what is made here: numbers, addresses, networks, and uids that were looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from orlop_agent.network.segment import Attachment
from orlop_api.port import Port
from orlop_api.security_group import IcmpType, Protocol, SecurityGroup, SecurityGroupRule, remotes

_UID = re.compile(r"[0-9A-Za-z-]{1,64}")
_ICMP = {
    IcmpType.ECHO_REQUEST: "icmp type { echo-request, echo-reply }",
    IcmpType.TIMESTAMP_REQUEST: "icmp type { timestamp-request, timestamp-reply }",
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

    nics: Mapping[IPv4Address, tuple[str, ...]] = field(default_factory=dict)
    """The groups of each address of a NIC here that has any, by uid, in order."""
    taps: frozenset[tuple[str, IPv4Address]] = frozenset()
    """Those NICs' taps with their addresses."""
    rules: Mapping[str, Rules] = field(default_factory=dict)
    """Of each of those groups; one that is not known allows nothing."""
    members: Mapping[str, frozenset[IPv4Address]] = field(default_factory=dict)
    """Of each group that a rule names."""
    owned: frozenset[IPv4Address] = frozenset()
    """Of NICs that have any, wherever they run: nobody else passes for them, whatever else allows it."""
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
    nics: dict[IPv4Address, tuple[str, ...]] = {}
    taps: set[tuple[str, IPv4Address]] = set()
    for attachment in attachments:
        uids = in_force(attachment, known_ports)
        if uids:
            nics |= dict.fromkeys(attachment.addresses, uids)
            taps |= {(attachment.tap, address) for address in attachment.addresses}
    uids_of = {
        (group.metadata.namespace, group.metadata.name): _checked(uid) for uid, group in groups.items()
    }
    used = sorted({uid for uids in nics.values() for uid in uids})
    known = {uid: groups[uid] for uid in used if uid in groups}
    rules = {uid: _rules(known[uid], uids_of) if uid in known else Rules() for uid in used}
    remote = {uid for group in known.values() for uid in _remotes(group, uids_of)}
    members: dict[str, set[IPv4Address]] = {uid: set() for uid in remote}
    watched = bool(nics)
    watched |= any(port.status is not None and port.status.security_groups for port in ports)
    in_use = (p.status for p in ports if p.status and p.status.security_groups and p.status.binding)
    owned = set(nics) | {IPv4Address(address) for status in in_use for address in status.addresses}
    for port in (*ports, *others):
        status = port.status
        if status is None or not status.security_groups:
            continue
        for uid in remote.intersection(status.security_groups):
            members[uid].update(IPv4Address(address) for address in status.addresses)
    frozen = {uid: frozenset(addresses) for uid, addresses in members.items()}
    return Guard(nics, frozenset(taps), rules, frozen, frozenset(owned), watched)


def members_set(uid: str) -> str:
    """Name of the set of a group's members."""
    return f"of_{uid}"


def _remotes(group: SecurityGroup, uids_of: Mapping[tuple[str, str], str]) -> set[str]:
    names = ((group.metadata.namespace, name) for name in remotes(group))
    return {uids_of[name] for name in names if name in uids_of}


def _rules(group: SecurityGroup, uids_of: Mapping[tuple[str, str], str]) -> Rules:
    home = group.metadata.namespace
    near = {name: uid for (namespace, name), uid in uids_of.items() if namespace == home}
    ingress = (_line(rule, near, "saddr", "reply proto-src") for rule in group.spec.ingress)
    egress = (_line(rule, near, "daddr", "original proto-dst") for rule in group.spec.egress)
    return Rules(
        tuple(line for line in ingress if line is not None),
        tuple(line for line in egress if line is not None),
    )


def _line(rule: SecurityGroupRule, uids_of: Mapping[str, str], other: str, port: str) -> str | None:
    """One rule; None where it names a group that does not exist, and so nobody.

    It is about the connection, not the packet: who began it with whom is the same for what is answered.
    """
    words: list[str] = []
    if rule.security_group_ref is not None:
        uid = uids_of.get(rule.security_group_ref.name)
        if uid is None:
            return None
        words.append(f"ct original ip {other} @{members_set(uid)}")
    elif rule.cidr is not None:
        network = IPv4Network(rule.cidr)
        words += [f"ct original ip {other} {network}"] if network.prefixlen else []
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
            words.append(_ICMP[rule.icmp_type] if rule.icmp_type is not None else "meta l4proto icmp")
        case Protocol.ALL:
            pass
    return " ".join([*words, "accept"])


def _checked(uid: str) -> str:
    if not _UID.fullmatch(uid):
        raise ValueError(f"{uid!r} is not a uid")
    return uid
