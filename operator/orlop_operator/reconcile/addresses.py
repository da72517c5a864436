"""Address and MAC address of one NIC: those that are claimed already, or the Claims to make. Pure.

An address belongs to whoever created the Claim that is named after it; nothing is looked up and then taken.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from orlop_api.claim import address_claim
from orlop_api.network import Network, Subnet
from orlop_operator.claims import Claims, resting
from orlop_operator.ipam import candidates, derived_mac, why_not
from orlop_operator.ipam6 import subnet4, subnet6
from orlop_operator.reconcile.addresses6 import alone6, with_ipv6
from orlop_operator.reconcile.holding import (
    Holder,
    Identity,
    Taken,
    claimed_mac,
    claiming_address,
    mine_of,
    unless_held,
)
from orlop_operator.reconcile.instance.facts import Blocker, named

TAKEN = frozenset({"AddressInUse", "NoFreeAddress", "MACInUse"})
"""Reasons that are over when somebody gives something back."""
TAKEN_AGAIN = 30.0
"""Seconds. Whoever gives back wakes all who wait; but one who just took it when they looked may have failed to."""


def again_after(found: Blocker) -> float | None:
    """When to look again at what is in the way."""
    return TAKEN_AGAIN if found.reason in TAKEN else None


def identify(
    network: Network,
    holder: Holder,
    taken: Taken,
    *,
    address: str | None,
    mac: str | None,
    ipv6: str | None = None,
) -> Identity | Blocker:
    """The identity of this holder on this Network, or why the one requested cannot be had."""
    first, second = subnet4(network), subnet6(network)
    what = named("Network", network.metadata.namespace, network.metadata.name)
    if second is None and ipv6 is not None:
        return Blocker("AddressInvalid", f"{what} has no IPv6 subnet: leave ipv6Address out")
    if first is not None:
        found = _identify4(network, first, holder, taken, address, mac)
        if isinstance(found, Blocker) or second is None:
            return found
        return with_ipv6(network, second, holder, taken, found, ipv6)
    if second is None:
        raise AssertionError
    if address is not None:
        return Blocker(
            "AddressInvalid", f"{what} has no IPv4 subnet: leave address out; a Port may have ipv6Address"
        )
    return alone6(network, second, holder, taken, mac, ipv6)


def _identify4(
    network: Network, subnet: Subnet, holder: Holder, taken: Taken, address: str | None, mac: str | None
) -> Identity | Blocker:
    if network.status is None or network.status.segment_id is None:
        raise AssertionError
    uid, segment = network.metadata.uid, network.status.segment_id
    got = address_for(network, subnet, holder, taken, address)
    if isinstance(got, Blocker):
        return got
    missing, freed = claiming_address(uid, got, holder, taken)
    derived = derived_mac(segment, got)
    if mac is None:
        return Identity(got, derived, None, missing, freed)
    more = claimed_mac(uid, segment, mac, derived, holder, taken)
    return more if isinstance(more, Blocker) else Identity(got, mac, None, (*missing, *more), freed)


def address_for(
    network: Network, subnet: Subnet, holder: Holder, taken: Taken, wanted: str | None
) -> str | Blocker:
    """The holder's address of IPv4 on this Network, claimed or to be claimed, or why it has none."""
    uid = network.metadata.uid
    mine = mine_of(4, holder, taken)
    if mine is not None and wanted in {None, mine}:
        return mine
    what = named("Network", network.metadata.namespace, network.metadata.name)
    if wanted is not None:
        problem = why_not(subnet, wanted)
        if problem is not None:
            return Blocker("AddressInvalid", f"{what}: {problem}")
        return unless_held(what, wanted, taken.claims.get(address_claim(uid, wanted)))
    free = _next_free(uid, subnet, taken) or _freed_first(uid, subnet, taken)
    return free or Blocker("NoFreeAddress", f"{what} has no free address ({_count(uid, taken)} are held)")


def _next_free(uid: str, subnet: Subnet, taken: Taken) -> str | None:
    """The first address that nobody has, by the names of Claims, of which none is read; None when all are taken.

    In one range it begins where the last one ended: a Network with ten thousand addresses is not gone through for each.
    """
    known = taken.claims if isinstance(taken.claims, Claims) and not subnet.pools else None
    begin = known.full_below if known is not None else 0
    for address in candidates(subnet, begin):
        name = address_claim(uid, address)
        if name in taken.claims:
            continue
        if known is not None:
            known.filled(int(IPv4Address(address)))
            known = None
        if name not in taken.picked:
            return address
    return None


def _count(uid: str, taken: Taken) -> int:
    """How many addresses of IPv4 somebody has, or had."""
    names = {*taken.claims, *taken.picked}
    return sum(name.startswith(f"{uid}-") and "." in name for name in names)


def _freed_first(uid: str, subnet: Subnet, taken: Taken) -> str | None:
    """Of the addresses in quarantine the one that was freed first: nobody waits while any is nobody's."""
    given = resting(taken.claims)
    known = ((a, given.get(address_claim(uid, a))) for a in candidates(subnet)) if given else ()
    nobodys = [
        (claim.spec.quarantined_until or "", address)
        for address, claim in known
        if claim is not None and claim.metadata.name not in taken.picked
    ]
    return min(nobodys, key=lambda each: each[0])[1] if nobodys else None
