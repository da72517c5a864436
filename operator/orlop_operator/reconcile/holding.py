"""Who claims what for a NIC, and what it gets: Claims are made by their names. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from orlop_api.claim import CLAIM_NAMESPACE, Claim, ClaimType, address_claim, mac_claim
from orlop_api.resource import API_VERSION
from orlop_operator.claims import held_by
from orlop_operator.ipam import mac_is_reserved, numbered_mac
from orlop_operator.ipam6 import is_ipv6
from orlop_operator.kinds import CLAIM
from orlop_operator.reconcile.effects import Body, Create, Delete, InOrder
from orlop_operator.reconcile.instance.facts import Blocker, named


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

    address: str | None
    """Of IPv4; None in a Network of IPv6 alone."""
    mac: str
    ipv6: str | None = None
    missing: tuple[Body, ...] = field(default=())
    freed: Mapping[str, Claim] = field(default_factory=dict)
    """Of these names, Claims that were given back and are still there."""

    @property
    def addresses(self) -> list[str]:
        """That of IPv4 and that of IPv6, of those that there are."""
        return [address for address in (self.address, self.ipv6) if address is not None]

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


def unless_held(what: str, address: str, claim: Claim | None) -> str | Blocker:
    """The address, but for one that somebody has; whoever asks by name waits for it."""
    if claim is not None and claim.is_held:
        return Blocker("AddressInUse", f"{address} of {what} is held by {who(claim)}")
    return address


def mine_of(family: int, holder: Holder, taken: Taken) -> str | None:
    """The address of a family that the holder has claimed."""
    own = held_by(taken.claims, holder.uid)
    mine = (c for c in own if c.spec.type is ClaimType.ADDRESS and is_mine(c, holder))
    return next((c.spec.value for c in mine if is_ipv6(c) == (family == 6)), None)


def is_mine(claim: Claim, holder: Holder) -> bool:
    """Whether the holder has it."""
    held = claim.spec.holder
    same = (held.uid, held.namespace, held.name) == (holder.uid, holder.namespace, holder.name)
    return claim.is_held and same


def who(claim: Claim) -> str:
    """How sentences name its holder."""
    holder = claim.spec.holder
    return named(holder.kind, holder.namespace, holder.name)


def claiming_address(
    uid: str, address: str, holder: Holder, taken: Taken
) -> tuple[tuple[Body, ...], dict[str, Claim]]:
    """The Claim to make for an address, unless it is there already, and the one that rests in its place."""
    name = address_claim(uid, address)
    there = taken.claims.get(name)
    if there is not None and there.is_held:
        return (), {}
    missing = (claim_body(name, ClaimType.ADDRESS, address, uid, holder),)
    return missing, {name: there} if there is not None else {}


def claimed_mac(
    uid: str, segment: int, mac: str, derived: str | None, holder: Holder, taken: Taken
) -> tuple[Body, ...] | Blocker:
    """The Claim to make for a MAC address that somebody asked for, unless it is there; or who has it."""
    if mac_is_reserved(segment, mac, derived):
        prefix = numbered_mac(segment, 0)[:11]
        return Blocker(
            "MACInUse", f"{mac} is reserved: addresses {prefix}:… are derived by Orlop on this Network"
        )
    name = mac_claim(uid, mac)
    held = taken.claims.get(name)
    if held is not None and not is_mine(held, holder):
        return Blocker("MACInUse", f"{mac} is held by {who(held)}")
    return (claim_body(name, ClaimType.MAC, mac, uid, holder),) if held is None else ()


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
