"""What SecurityGroups mean for the NICs of one Network on this node. Pure.

A NIC's groups are those that its Port's status says; before the Port is known, those of the order. Members of
a group are addresses of Ports on the same Network, or on one that a Router joins with it, wherever they are. Nothing
else reaches a ruleset than what is made here: numbers, addresses, networks, and uids that were looked at.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, ip_network

from orlop_agent.network.book import Book
from orlop_agent.network.facts import Facts
from orlop_agent.network.ipv6 import IpAddress
from orlop_agent.network.segment import Attachment
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
class Known:
    """SecurityGroups of namespaces; of thousands only those are looked at that somebody here is in."""

    groups: MutableMapping[str, SecurityGroup] = field(default_factory=dict)
    """By uid."""
    uids: MutableMapping[tuple[str, str], str] = field(default_factory=dict)
    """By namespace and name."""

    @classmethod
    def of(cls, groups: Mapping[str, SecurityGroup]) -> Known:
        """These, by uid."""
        named = {(each.metadata.namespace, each.metadata.name): uid for uid, each in groups.items()}
        return cls(dict(groups), named)

    @classmethod
    def together(cls, some: Sequence[Known]) -> Known:
        """Those of several namespaces."""
        return cls(ChainMap(*(each.groups for each in some)), ChainMap(*(each.uids for each in some)))


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
    members: Mapping[str, AbstractSet[IpAddress]] = field(default_factory=dict)
    """Of each group that a rule names."""
    owned: AbstractSet[IPv4Address] = frozenset()
    """Of NICs that have any, wherever they run: nobody else passes for them, whatever else allows it. Of IPv6
    nothing allows it."""
    watched: bool = False
    """Whether connections are to be known: some NIC of the Network, here or elsewhere, has groups."""


def in_force(attachment: Attachment, book: Book) -> tuple[str, ...]:
    """Uids of the groups of a NIC. Raises ValueError."""
    port = book.at(attachment.mac)
    found: Iterable[str] | None = None
    if port is not None and port.key[1] == attachment.nic.port_name:
        found = port.groups
    if found is None:
        found = attachment.nic.security.groups if attachment.nic.security is not None else ()
    return tuple(sorted({_checked(uid) for uid in found}))


def homes(attachments: Iterable[Attachment], book: Book) -> set[str]:
    """Namespaces whose SecurityGroups are in force for somebody."""
    ordered = (each.nic.security for each in attachments)
    found = {security.namespace for security in ordered if security is not None and security.groups}
    return found | book.homes.keys()


@dataclass(frozen=True)
class Only:
    """Whose addresses are looked at, where that is not all."""

    members: Mapping[str, AbstractSet[IpAddress]]
    """By group; of one that is not here, all."""
    owned: AbstractSet[IpAddress]


def touched(news: Iterable[Facts], have: Guard, near: Guard) -> Only:
    """What these Ports have to do with, and NICs here that are not what they were."""
    members: dict[str, set[IpAddress]] = {uid: set() for uid in have.members}
    owned = set(have.nics.keys() ^ near.nics.keys())
    for port in news:
        owned.update(port.addresses)
        for uid in members.keys() & set(port.groups or ()):
            members[uid].update(port.spoken)
    return Only(members, owned)


def guard(
    attachments: Iterable[Attachment],
    book: Book,
    groups: Mapping[str, SecurityGroup],
    others: Sequence[Book] = (),
) -> Guard:
    """What shall be in force, by the groups as they are known, by uid. Raises ValueError.

    `others` are Ports of Networks that a Router joins with this one: members of groups like its own.
    """
    return far(near(attachments, book, Known.of(groups), others), book, others)


def near(
    attachments: Iterable[Attachment],
    book: Book,
    known: Known,
    others: Sequence[Book] = (),
) -> Guard:
    """All of it but who the members are, and whose addresses are owned elsewhere. Raises ValueError."""
    nics: dict[IpAddress, tuple[str, ...]] = {}
    taps: set[tuple[str, IpAddress]] = set()
    families: tuple[int, ...] = (4,)
    for attachment in attachments:
        families = (4, 6) if attachment.ipv6 is not None else families
        uids = in_force(attachment, book)
        if uids:
            nics |= dict.fromkeys(attachment.all_addresses, uids)
            taps |= {(attachment.tap, address) for address in attachment.all_addresses}
    used = sorted({uid for uids in nics.values() for uid in uids})
    groups = {uid: known.groups[uid] for uid in used if uid in known.groups}
    rules = {uid: _rules(groups[uid], known.uids, families) if uid in groups else Rules() for uid in used}
    members = {
        uid: frozenset[IpAddress]() for group in groups.values() for uid in _remotes(group, known.uids)
    }
    for known_book in (book, *others):
        for port in known_book.wrong:
            is_owned = port.in_use and known_book is book
            if port.garbled and port.groups and (is_owned or not members.keys().isdisjoint(port.groups)):
                raise port.garbled
    return Guard(nics, frozenset(taps), rules, members, watched=bool(nics) or bool(book.homes))


def far(guard: Guard, book: Book, others: Sequence[Book], only: Only | None = None) -> Guard:
    """With the members of its groups, and what is owned elsewhere."""
    members = {
        uid: frozenset(_members(uid, book, others, only.members.get(uid) if only is not None else None))
        for uid in guard.members
    }
    here = {each for each in guard.nics if isinstance(each, IPv4Address)}
    if only is None:
        owned = frozenset(here | book.owned.keys())
    else:
        found = (each for each in only.owned if isinstance(each, IPv4Address))
        owned = frozenset(each for each in found if each in here or each in book.owned)
    return replace(guard, members=members, owned=owned)


def part(have: Guard, only: Only | None) -> Guard:
    """What is in force of that."""
    if only is None:
        return have
    members = {uid: frozenset(have.members[uid] & only.members[uid]) for uid in have.members}
    return replace(have, members=members, owned=frozenset(have.owned & only.owned))


def _members(
    uid: str, book: Book, others: Sequence[Book], only: AbstractSet[IpAddress] | None
) -> Iterator[IpAddress]:
    if only is None:
        yield from (address for group, address in book.members if group == uid)
        beside = (address for other in others for group, address in other.members if group == uid)
        # A link-local address is somebody's on one Network alone.
        yield from (address for address in beside if not address.is_link_local)
        return
    for address in only:
        key = (uid, address)
        is_beside = not address.is_link_local and any(key in other.members for other in others)
        if key in book.members or is_beside:
            yield address


def members_set(uid: str, family: int = 4) -> str:
    """Name of the set of a group's members of a family."""
    return f"of_{uid}" if family == 4 else f"of_{uid}_6"


def _remotes(group: SecurityGroup, uids_of: Mapping[tuple[str, str], str]) -> set[str]:
    names = ((group.metadata.namespace, name) for name in remotes(group))
    return {_checked(uids_of[name]) for name in names if name in uids_of}


def _rules(group: SecurityGroup, uids_of: Mapping[tuple[str, str], str], families: Sequence[int]) -> Rules:
    home = group.metadata.namespace
    near = {name: _checked(uids_of[home, name]) for name in remotes(group) if (home, name) in uids_of}

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
