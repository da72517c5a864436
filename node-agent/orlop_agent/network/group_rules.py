"""SecurityGroups in nftables: the whole, or what changed, each as one transaction. Pure text.

Two tables in the Network's namespace, both named orlop_groups. `inet` judges connections, also those on the
bridge, which br_netfilter shows to it. There no rule sees through which tap a packet came or goes; but which
address is whose is held by the table `bridge orlop`, so addresses stand for NICs. `bridge` keeps from guarded NICs
what is not sent to their own address: broadcast and multicast, which `inet` could not tell for whom they are. And
it lets them speak from no address that `inet` does not judge, and nobody else from an address of theirs, whoever
else may allow that.

Every packet of a connection is judged by who began it, answers too, so a rule that is gone cuts what it let in,
and whatever is still allowed goes on. A connection is judged twice: `sent` for the NIC that began it, if
that is here, and `received` for the one that it is with. What both allowed bears the number of the rules in force as
its mark, and goes on by that alone for as long as they are: each change has a number of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from orlop_agent.network.groups import Guard, members_set
from orlop_agent.network.ipv6 import DISCOVERY, IpAddress
from orlop_agent.network.names import OVERLAY, PHYSICAL
from orlop_api.network import METADATA_ADDRESS, METADATA_ADDRESS6, METADATA_PORT

TABLE = "orlop_groups"
COUNTERS = ("denied_ingress", "denied_egress", "denied_invalid")
BRIDGE_COUNTERS = ("denied_broadcast", "denied_source", "denied_unjudged")
"""What is dropped, by cause; `nft list counters` in the namespace."""
_ALLOWED = "allowed"
_FAMILIES = (4, 6)
_INET = f"inet {TABLE}"
_BRIDGE = f"bridge {TABLE}"


def whole(want: Guard, there: Collection[str]) -> str:
    """All of it, whatever was there before: `there` are names of chains and sets. Counters stay."""
    text = f"add table {_INET}\nflush table {_INET}\nadd table {_BRIDGE}\nflush table {_BRIDGE}\n"
    text += _frame()
    for name in ("egress", "ingress", "egress6", "ingress6"):
        text += f"flush map {_INET} {name}\n"
    text += f"flush set {_INET} guarded\nflush set {_BRIDGE} addresses\nflush set {_BRIDGE} taps\n"
    text += f"flush set {_BRIDGE} owned\n"
    text += f"flush set {_INET} guarded6\nflush set {_BRIDGE} addresses6\n"
    chains = [name for name in there if name.startswith(("in_", "out_", "to_", "from_"))]
    # Who jumps goes before what is jumped to.
    for name in sorted(chains, key=lambda name: name.startswith(("in_", "out_"))):
        text += f"delete chain {_INET} {name}\n"
    text += "".join(f"delete set {_INET} {name}\n" for name in sorted(there) if name.startswith("of_"))
    return text + changes(Guard(), want)


def changes(have: Guard, want: Guard) -> str:
    """From one to the other, touching nothing else; empty where they are the same."""
    lines = [
        *_new_members(have, want),
        *_groups(have, want),
        *_combinations(have, want),
        *_nics(have, want),
        *_taps(have, want),
        *_stale(have, want),
    ]
    return "".join(f"{line}\n" for line in lines)


def judged(number: int) -> str:
    """What has to be in one transaction with any change: nothing passes by a judgement that older rules made.

    The packet's own mark carries the number from who judges first to who judges last: where rules change between the
    two, the connection gets the old one's, and is judged again. Never 0, which is no number.
    """
    known = f"ct mark {number:#x} accept"
    rules = {
        "sent": (
            known,
            "ct state invalid,untracked jump unknown",
            'ct state related accept comment "errors of what is allowed"',
            f"meta mark set {number:#x}",
            "ct original ip saddr vmap @egress",
            "ct original ip6 saddr vmap @egress6",
        ),
        "received": (
            known,
            "ct state related accept",
            "ct reply ip saddr vmap @ingress",
            "ct reply ip6 saddr vmap @ingress6",
            f"goto {_ALLOWED}",
        ),
    }
    return "".join(
        f"flush chain {_INET} {chain}\n" + "".join(f"add rule {_INET} {chain} {line}\n" for line in lines)
        for chain, lines in rules.items()
    )


def number_of(rule: Mapping[str, Any]) -> int | None:
    """What `judged` was given, where this is such a rule, as nft(8) lists it in JSON."""
    match rule:
        case {"table": "orlop_groups", "chain": "sent",
              "expr": [{"match": {"left": {"ct": {"key": "mark"}}, "right": int(number)}}, *_]}:  # fmt: skip
            return number
        case _:
            return None


def closed(taps: Iterable[tuple[str, IpAddress]]) -> str:
    """Exactly these taps are sent nothing by the bridge, nor is what they send: nothing there could be judged."""
    names = {f'"{tap}"' for tap, _ in taps}
    lines = [f"flush set {_BRIDGE} closed", *_element("add", f"{_BRIDGE} closed", names)]
    return "".join(f"{line}\n" for line in lines)


def _frame() -> str:
    counters, on_bridge = (
        "".join(f"  counter {name} {{ }}\n" for name in each) for each in (COUNTERS, BRIDGE_COUNTERS)
    )
    return f"""table {_INET} {{
{counters}  set guarded {{ type ipv4_addr; }}
  set guarded6 {{ type ipv6_addr; }}
  map egress {{ type ipv4_addr : verdict; }}
  map ingress {{ type ipv4_addr : verdict; }}
  map egress6 {{ type ipv6_addr : verdict; }}
  map ingress6 {{ type ipv6_addr : verdict; }}
  chain sent {{ type filter hook forward priority filter - 30; policy accept; }}
  chain unknown {{
    {DISCOVERY} accept comment "the kernel tracks none of it"
    ip saddr @guarded counter name denied_invalid drop
    ip daddr @guarded counter name denied_invalid drop
    ip6 saddr @guarded6 counter name denied_invalid drop
    ip6 daddr @guarded6 counter name denied_invalid drop
  }}
  chain received {{ type filter hook forward priority filter - 20; policy accept; }}
  chain {_ALLOWED} {{
    ct mark set meta mark
    accept
  }}
  chain asked {{
    type filter hook input priority filter - 20; policy accept;
    udp sport 68 udp dport 67 accept comment "DHCP"
    udp sport 546 udp dport 547 accept comment "DHCPv6"
    {DISCOVERY} accept
    icmpv6 type nd-router-solicit accept
    ct state related accept
    ip daddr {METADATA_ADDRESS} tcp dport {METADATA_PORT} accept comment "what a guest may know of itself"
    ip6 daddr {METADATA_ADDRESS6} tcp dport {METADATA_PORT} accept
    ct original ip saddr vmap @egress
    ct original ip6 saddr vmap @egress6
  }}
}}
table {_BRIDGE} {{
{on_bridge}  set closed {{ type ifname; }}
  set taps {{ type ifname; }}
  set addresses {{ typeof meta oifname . ip daddr; }}
  set addresses6 {{ typeof meta oifname . ip6 daddr; }}
  set owned {{ type ipv4_addr; }}
  chain prerouting {{
    type filter hook prerouting priority -290; policy accept;
    iifname {{ "{OVERLAY}", "{PHYSICAL}" }} accept
    iifname . ip saddr @addresses accept
    ether type ip iifname @taps ip saddr != 0.0.0.0 iifname . ip saddr != @addresses counter name denied_source drop
    ether type ip6 iifname @taps ip6 saddr != :: iifname . ip6 saddr != @addresses6 counter name denied_source drop
    ether type ip ip saddr @owned iifname . ip saddr != @addresses counter name denied_source drop
    ether type arp arp saddr ip @owned iifname . arp saddr ip != @addresses counter name denied_source drop
  }}
  chain forward {{
    type filter hook forward priority -300; policy accept;
    iifname @closed counter name denied_unjudged drop
    oifname @closed counter name denied_unjudged drop
    oifname . ip daddr @addresses accept
    {DISCOVERY} accept
    ether type ip6 oifname @taps oifname . ip6 daddr != @addresses6 counter name denied_broadcast drop
    ether type ip oifname @taps oifname . ip daddr != @addresses counter name denied_broadcast drop
  }}
}}
"""


def _new_members(have: Guard, want: Guard) -> Iterator[str]:
    """Sets of members, and who came and went: one more is one element."""
    for uid in sorted(want.members):
        old, new = have.members.get(uid, frozenset()), want.members[uid]
        for family in _FAMILIES:
            name = members_set(uid, family)
            if uid not in have.members:
                yield f"add set {_INET} {name} {{ type ipv{family}_addr; }}"
            yield from _element("delete", f"{_INET} {name}", _of(family, old - new))
            yield from _element("add", f"{_INET} {name}", _of(family, new - old))


def _groups(have: Guard, want: Guard) -> Iterator[str]:
    """A chain for each group and direction, with its rules."""
    for uid in sorted(want.rules):
        old, new = have.rules.get(uid), want.rules[uid]
        for name, before, after in (
            (f"in_{uid}", old and old.ingress, new.ingress),
            (f"out_{uid}", old and old.egress, new.egress),
        ):
            if before is None:
                yield f"add chain {_INET} {name}"
            elif before == after:
                continue
            else:
                yield f"flush chain {_INET} {name}"
            lines = after
            if name.startswith("in_"):
                lines = tuple(f"{line.removesuffix('accept')}goto {_ALLOWED}" for line in after)
            yield from (f"add rule {_INET} {name} {line}" for line in lines)


def _combinations(have: Guard, want: Guard) -> Iterator[str]:
    """A chain for each list of groups and direction: NICs that list the same share it."""
    for uids in sorted(_lists(want) - _lists(have)):
        name = _combination(uids)
        for chain, group, counter in (("to", "in", "denied_ingress"), ("from", "out", "denied_egress")):
            yield f"add chain {_INET} {chain}_{name}"
            yield from (f"add rule {_INET} {chain}_{name} jump {group}_{uid}" for uid in uids)
            yield f"add rule {_INET} {chain}_{name} counter name {counter} drop"


def _nics(have: Guard, want: Guard) -> Iterator[str]:
    """Which list holds for which address."""
    old = [address for address, uids in have.nics.items() if want.nics.get(address) != uids]
    new = {address: uids for address, uids in want.nics.items() if have.nics.get(address) != uids}
    for name, chain in (("egress", "from"), ("ingress", "to")):
        for family in _FAMILIES:
            where = f"{_INET} {_named(name, family)}"
            yield from _element("delete", where, _of(family, old))
            verdicts = (
                f"{address} : goto {chain}_{_combination(new[address])}" for address in _of(family, new)
            )
            yield from _element("add", where, verdicts)
    for family in _FAMILIES:
        where = f"{_INET} {_named('guarded', family)}"
        yield from _element("delete", where, _of(family, have.nics.keys() - want.nics.keys()))
        yield from _element("add", where, _of(family, want.nics.keys() - have.nics.keys()))


def _taps(have: Guard, want: Guard) -> Iterator[str]:
    yield from _element("delete", f"{_BRIDGE} owned", have.owned - want.owned)
    yield from _element("add", f"{_BRIDGE} owned", want.owned - have.owned)
    for verb, some, other in (("delete", have.taps, want.taps), ("add", want.taps, have.taps)):
        for family in _FAMILIES:
            pairs = (f'"{tap}" . {address}' for tap, address in some - other if address.version == family)
            yield from _element(verb, f"{_BRIDGE} {_named('addresses', family)}", pairs)
        names = {tap for tap, _ in some} - {tap for tap, _ in other}
        yield from _element(verb, f"{_BRIDGE} taps", (f'"{tap}"' for tap in names))


def _stale(have: Guard, want: Guard) -> Iterator[str]:
    """What nothing leads to any more."""
    for uids in sorted(_lists(have) - _lists(want)):
        name = _combination(uids)
        yield f"delete chain {_INET} to_{name}"
        yield f"delete chain {_INET} from_{name}"
    for uid in sorted(have.rules.keys() - want.rules.keys()):
        yield f"delete chain {_INET} in_{uid}"
        yield f"delete chain {_INET} out_{uid}"
    for uid in sorted(have.members.keys() - want.members.keys()):
        yield from (f"delete set {_INET} {members_set(uid, family)}" for family in _FAMILIES)


def _lists(guard: Guard) -> set[tuple[str, ...]]:
    return set(guard.nics.values())


def _combination(uids: Sequence[str]) -> str:
    return hashlib.sha256(" ".join(uids).encode()).hexdigest()[:16]


def _of(family: int, addresses: Iterable[IpAddress]) -> list[IpAddress]:
    return [address for address in addresses if address.version == family]


def _named(name: str, family: int) -> str:
    """Of the set or map of a family."""
    return name if family == 4 else f"{name}6"


def _element(verb: str, where: str, elements: Iterable[object]) -> Iterator[str]:
    listed = ", ".join(sorted(map(str, elements)))
    if listed:
        yield f"{verb} element {where} {{ {listed} }}"
