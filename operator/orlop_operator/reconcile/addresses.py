"""Address and MAC address of one NIC: those that are claimed already, or the Claims to make. Pure.

An address belongs to whoever created the Claim that is named after it; nothing is looked up and then taken.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address

from orlop_api.claim import CLAIM_NAMESPACE, Claim, ClaimType, address_claim, mac_claim
from orlop_api.network import Ipv6Mode, Network, Subnet
from orlop_api.resource import API_VERSION
from orlop_operator.ipam import candidates, derived_mac, mac_is_reserved, next_free, why_not
from orlop_operator.ipam6 import gateway6, is_ipv6, next_free6, slaac, subnet6, why_not6
from orlop_operator.kinds import CLAIM
from orlop_operator.reconcile.effects import Body, Create, Delete, InOrder
from orlop_operator.reconcile.instance.facts import Blocker, named

TAKEN = frozenset({"AddressInUse", "NoFreeAddress", "MACInUse"})
"""Reasons that are over when somebody gives something back."""
TAKEN_AGAIN = 30.0
"""Seconds. Whoever gives back wakes all who wait; but one who just took it when they looked may have failed to."""


def again_after(found: Blocker) -> float | None:
    """When to look again at what is in the way."""
    return TAKEN_AGAIN if found.reason in TAKEN else None


@dataclass(frozen=True)
class Holder:
    """Who claims. For a Port that Orlop makes, `uid` is its Instance's."""

    namespace: str
    name: str
    uid: str
    kind: str = "Port"


@dataclass(frozen=True)
class Taken:
    """Claims of the Network, and names of those that somebody is just creating."""

    claims: Mapping[str, Claim]
    picked: Collection[str] = ()


@dataclass(frozen=True)
class Identity:
    """What the NIC gets; `missing` are bodies of Claims that are to be created for it."""

    address: str
    mac: str
    ipv6: str | None = None
    missing: tuple[Body, ...] = field(default=())
    freed: Mapping[str, Claim] = field(default_factory=dict)
    """Of these names, Claims that were given back and are still there."""

    @property
    def addresses(self) -> list[str]:
        """That of IPv4, and that of IPv6 where there is one."""
        return [self.address] if self.ipv6 is None else [self.address, self.ipv6]

    @property
    def names(self) -> frozenset[str]:
        """Of the Claims that are to be made."""
        return frozenset(body["metadata"]["name"] for body in self.missing)

    def claiming(self) -> tuple[Create[Claim] | InOrder, ...]:
        """Makes the Claims. One in quarantine goes first, as it was seen: of several takers one makes the next."""
        return tuple(self._claim(body) for body in self.missing)

    def _claim(self, body: Body) -> Create[Claim] | InOrder:
        old, create = self.freed.get(body["metadata"]["name"]), Create(CLAIM, body, CLAIM_NAMESPACE)
        return create if old is None else InOrder((Delete(CLAIM, old, unchanged=True), create))


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
    found = _identify4(network, holder, taken, address, mac)
    return found if isinstance(found, Blocker) else _with_ipv6(network, holder, taken, found, ipv6)


def _identify4(
    network: Network, holder: Holder, taken: Taken, address: str | None, mac: str | None
) -> Identity | Blocker:
    if network.status is None or network.status.segment_id is None:
        raise AssertionError
    uid, segment = network.metadata.uid, network.status.segment_id
    missing: list[Body] = []
    got = address_for(network, holder, taken, address)
    if isinstance(got, Blocker):
        return got
    there = taken.claims.get(address_claim(uid, got))
    if there is None or not there.is_held:
        missing.append(claim_body(address_claim(uid, got), ClaimType.ADDRESS, got, uid, holder))
    freed = {there.metadata.name: there} if there is not None and not there.is_held else {}
    if mac is None:
        return Identity(got, derived_mac(segment, got), None, tuple(missing), freed)
    if mac_is_reserved(segment, mac, got):
        prefix = derived_mac(segment, "0.0.0.0")[:11]  # noqa: S104 - a prefix, nothing listens
        return Blocker(
            "MACInUse", f"{mac} is reserved: addresses {prefix}:… are derived by Orlop on this Network"
        )
    name = mac_claim(uid, mac)
    held = taken.claims.get(name)
    if held is not None and not _mine(held, holder):
        return Blocker("MACInUse", f"{mac} is held by {_who(held)}")
    if held is None:
        missing.append(claim_body(name, ClaimType.MAC, mac, uid, holder))
    return Identity(got, mac, None, tuple(missing), freed)


def _with_ipv6(
    network: Network, holder: Holder, taken: Taken, found: Identity, wanted: str | None
) -> Identity | Blocker:
    """The same with an address of the Network's IPv6 subnet, where it has one."""
    subnet, uid = subnet6(network), network.metadata.uid
    if subnet is None and wanted is not None:
        what = named("Network", network.metadata.namespace, network.metadata.name)
        return Blocker("AddressInvalid", f"{what} has no IPv6 subnet: leave ipv6Address out")
    if subnet is None:
        return found
    got = _address6(network, subnet, holder, taken, found.mac, wanted)
    if isinstance(got, Blocker):
        return got
    name = address_claim(uid, got)
    there = taken.claims.get(name)
    if there is not None and there.is_held:
        return replace(found, ipv6=got)
    missing = (*found.missing, claim_body(name, ClaimType.ADDRESS, got, uid, holder))
    freed = {**found.freed, **({name: there} if there is not None else {})}
    return replace(found, ipv6=got, missing=missing, freed=freed)


def _address6(
    network: Network, subnet: Subnet, holder: Holder, taken: Taken, mac: str, wanted: str | None
) -> str | Blocker:
    uid = network.metadata.uid
    mine = _mine_of(6, holder, taken)
    # However it is written, it is one.
    wanted = str(IPv6Address(wanted)) if wanted is not None else None
    if mine is not None and wanted in {None, mine}:
        return mine
    what = named("Network", network.metadata.namespace, network.metadata.name)
    if wanted is not None:
        problem = why_not6(subnet, wanted)
        if problem is not None:
            return Blocker("AddressInvalid", f"{what}: {problem}")
        return _unless_held(what, wanted, taken.claims.get(address_claim(uid, wanted)))
    if subnet.ipv6_mode is Ipv6Mode.SLAAC:
        got = slaac(subnet, mac)
        held = taken.claims.get(address_claim(uid, got))
        if got == gateway6(subnet):
            return Blocker("AddressInvalid", f"{what}: {got}, which {mac} makes for itself, is the gateway")
        return _unless_held(what, got, held)
    names = taken.claims.keys() | set(taken.picked)
    free = next_free6(subnet, lambda address: address_claim(uid, address) in names)
    return free or _freed_first6(taken) or Blocker("NoFreeAddress", f"{what} has no free IPv6 address")


def _unless_held(what: str, address: str, claim: Claim | None) -> str | Blocker:
    """The address, but for one that somebody has; whoever asks by name waits for it."""
    if claim is not None and claim.is_held:
        return Blocker("AddressInUse", f"{address} of {what} is held by {_who(claim)}")
    return address


def _freed_first6(taken: Taken) -> str | None:
    resting = [
        (claim.spec.quarantined_until or "", claim.spec.value)
        for name, claim in taken.claims.items()
        if not claim.is_held and is_ipv6(claim) and name not in taken.picked
    ]
    return min(resting)[1] if resting else None


def _mine_of(family: int, holder: Holder, taken: Taken) -> str | None:
    """The address of a family that the holder has claimed."""
    mine = (c for c in taken.claims.values() if c.spec.type is ClaimType.ADDRESS and _mine(c, holder))
    return next((c.spec.value for c in mine if is_ipv6(c) == (family == 6)), None)


def address_for(network: Network, holder: Holder, taken: Taken, wanted: str | None) -> str | Blocker:
    """The holder's address of IPv4 on this Network, claimed or to be claimed, or why it has none."""
    subnet, uid = network.spec.subnets[0], network.metadata.uid
    mine = _mine_of(4, holder, taken)
    if mine is not None and wanted in {None, mine}:
        return mine
    what = named("Network", network.metadata.namespace, network.metadata.name)
    if wanted is not None:
        problem = why_not(subnet, wanted)
        if problem is not None:
            return Blocker("AddressInvalid", f"{what}: {problem}")
        return _unless_held(what, wanted, taken.claims.get(address_claim(uid, wanted)))
    claims = taken.claims.values()
    gone = {c.spec.value for c in claims if c.spec.type is ClaimType.ADDRESS and not is_ipv6(c)}
    gone |= {name.removeprefix(f"{uid}-") for name in taken.picked}
    free = next_free(subnet, gone) or _freed_first(network, taken)
    return free or Blocker("NoFreeAddress", f"{what} has no free address ({len(gone)} are held)")


def _freed_first(network: Network, taken: Taken) -> str | None:
    """Of the addresses in quarantine the one that was freed first: nobody waits while any is nobody's."""
    uid = network.metadata.uid
    known = ((a, taken.claims.get(address_claim(uid, a))) for a in candidates(network.spec.subnets[0]))
    resting = [
        (claim.spec.quarantined_until or "", address)
        for address, claim in known
        if claim is not None and not claim.is_held and claim.metadata.name not in taken.picked
    ]
    return min(resting, key=lambda each: each[0])[1] if resting else None


def _mine(claim: Claim, holder: Holder) -> bool:
    held = claim.spec.holder
    same = (held.uid, held.namespace, held.name) == (holder.uid, holder.namespace, holder.name)
    return claim.is_held and same


def _who(claim: Claim) -> str:
    holder = claim.spec.holder
    return named(holder.kind, holder.namespace, holder.name)


_HOLDERS = {ClaimType.SEGMENT: "Network", ClaimType.ROUTER: "Router", ClaimType.LAN: "Network"}


def claim_body(name: str, kind: ClaimType, value: str, network_uid: str, holder: Holder) -> Body:
    """The Claim to POST."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Claim",
        "metadata": {"name": name, "namespace": CLAIM_NAMESPACE},
        "spec": {
            "type": kind.value,
            "value": value,
            "networkUID": network_uid,
            "holder": {
                "kind": _HOLDERS.get(kind, holder.kind),
                "namespace": holder.namespace,
                "name": holder.name,
                "uid": holder.uid,
            },
        },
    }
