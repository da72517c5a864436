"""The address of IPv6 of one NIC, beside that of IPv4, or alone. Pure."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address

from orlop_api.address6 import mac_of
from orlop_api.claim import address_claim
from orlop_api.network import Ipv6Mode, Network, Subnet
from orlop_operator.claims import resting
from orlop_operator.ipam import numbered_mac
from orlop_operator.ipam6 import DERIVED, gateway6, is_ipv6, mac_for, next_free6, slaac, why_not6
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


def with_ipv6(
    network: Network, subnet: Subnet, holder: Holder, taken: Taken, found: Identity, wanted: str | None
) -> Identity | Blocker:
    """The same with an address of the Network's IPv6 subnet."""
    got = _address(network, subnet, holder, taken, found.mac, wanted)
    if isinstance(got, Blocker):
        return got
    missing, freed = claiming_address(network.metadata.uid, got, holder, taken)
    return replace(found, ipv6=got, missing=(*found.missing, *missing), freed={**found.freed, **freed})


def alone6(
    network: Network, subnet: Subnet, holder: Holder, taken: Taken, mac: str | None, wanted: str | None
) -> Identity | Blocker:
    """The identity in a Network of IPv6 alone: the MAC address follows from the address, or the other way round."""
    if network.status is None or network.status.segment_id is None:
        raise AssertionError
    uid, segment = network.metadata.uid, network.status.segment_id
    makes = subnet.ipv6_mode is Ipv6Mode.SLAAC and wanted is None
    mine = mine_of(6, holder, taken)
    if makes and mac is None and mine is None:
        mac_made = _free_mac(network, segment, subnet, taken)
        if isinstance(mac_made, Blocker):
            return mac_made
        return _made(uid, slaac(subnet, mac_made), mac_made, holder, taken)
    got = _address(network, subnet, holder, taken, mac, wanted)
    if isinstance(got, Blocker):
        return got
    if makes and mac is None:
        # What it has already was made of a derived one, for none was asked for.
        return _made(uid, got, mac_of(got), holder, taken)
    derived, is_unique = mac_for(segment, subnet, got)
    if mac is None and is_unique:
        return _made(uid, got, derived, holder, taken)
    more = claimed_mac(uid, segment, mac or derived, derived, holder, taken)
    if isinstance(more, Blocker):
        return more
    found = _made(uid, got, mac or derived, holder, taken)
    return replace(found, missing=(*found.missing, *more))


def _made(uid: str, address: str, mac: str, holder: Holder, taken: Taken) -> Identity:
    missing, freed = claiming_address(uid, address, holder, taken)
    return Identity(None, mac, address, missing, freed)


def _free_mac(network: Network, segment: int, subnet: Subnet, taken: Taken) -> str | Blocker:
    """The first derived MAC address whose own address nobody has; where all have been had, the one freed first."""
    uid, router = network.metadata.uid, gateway6(subnet)
    macs: dict[str, str] = {}
    for number in range(1, DERIVED):
        mac = numbered_mac(segment, number)
        address = slaac(subnet, mac)
        name = address_claim(uid, address)
        if address == router or name in taken.picked:
            continue
        if name not in taken.claims:
            return mac
        macs[name] = mac
    nobodys = [
        (c.spec.quarantined_until or "", macs[name])
        for name, c in resting(taken.claims).items()
        if name in macs
    ]
    if nobodys:
        return min(nobodys)[1]
    what = named("Network", network.metadata.namespace, network.metadata.name)
    return Blocker("NoFreeAddress", f"{what} has no free IPv6 address")


def _address(
    network: Network, subnet: Subnet, holder: Holder, taken: Taken, mac: str | None, wanted: str | None
) -> str | Blocker:
    """The holder's address, claimed or to be claimed; with `mac` None one that does not follow from any."""
    uid = network.metadata.uid
    mine = mine_of(6, holder, taken)
    # However it is written, it is one.
    wanted = str(IPv6Address(wanted)) if wanted is not None else None
    if mine is not None and wanted in {None, mine}:
        return mine
    what = named("Network", network.metadata.namespace, network.metadata.name)
    if wanted is not None:
        problem = why_not6(subnet, wanted)
        if problem is not None:
            return Blocker("AddressInvalid", f"{what}: {problem}")
        return unless_held(what, wanted, taken.claims.get(address_claim(uid, wanted)))
    if subnet.ipv6_mode is Ipv6Mode.SLAAC and mac is not None:
        got = slaac(subnet, mac)
        held = taken.claims.get(address_claim(uid, got))
        if got == gateway6(subnet):
            return Blocker("AddressInvalid", f"{what}: {got}, which {mac} makes for itself, is the gateway")
        return unless_held(what, got, held)
    names = (taken.claims, taken.picked)
    free = next_free6(subnet, lambda address: any(address_claim(uid, address) in each for each in names))
    return free or _freed_first(taken) or Blocker("NoFreeAddress", f"{what} has no free IPv6 address")


def _freed_first(taken: Taken) -> str | None:
    nobodys = [
        (claim.spec.quarantined_until or "", claim.spec.value)
        for name, claim in resting(taken.claims).items()
        if is_ipv6(claim) and name not in taken.picked
    ]
    return min(nobodys)[1] if nobodys else None
