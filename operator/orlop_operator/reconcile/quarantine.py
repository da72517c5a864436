"""An address that was freed is kept from others for a while: its Claim stays, and says until when. Pure.

Neighbours, name servers and firewalls know an address for a time after its user went; they shall not take the
next user for the last one. The Claim itself remembers, so a new operator knows what an old one freed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from orlop_api.claim import Claim, ClaimType
from orlop_api.condition import timestamp
from orlop_api.duration import to_seconds
from orlop_api.network import Network
from orlop_operator.ipam6 import subnet_of
from orlop_operator.kinds import CLAIM
from orlop_operator.reconcile.effects import Delete, Effect, Patch, Plan


def given_back(claims: Iterable[Claim], networks: Mapping[str, Network], now: datetime) -> tuple[Effect, ...]:
    """Let go of Claims; `networks` are those that they may belong to, by uid."""
    return tuple(_give_back(claim, networks.get(claim.spec.network_uid), now) for claim in claims)


def _give_back(claim: Claim, network: Network | None, now: datetime) -> Effect:
    subnet = subnet_of(network, claim.spec.value) if network is not None else None
    rests = to_seconds(subnet.reuse_after) if subnet is not None else 0
    if rests == 0 or claim.spec.type is not ClaimType.ADDRESS:
        return Delete(CLAIM, claim)
    until = timestamp(now + timedelta(seconds=rests))
    return Patch(CLAIM, claim, {"spec": {"quarantinedUntil": until}})


def plan_freed(claim: Claim, now: datetime, *, network_is_known: bool) -> Plan:
    """What a Claim that nobody holds wants now: its end, or another look when that is due."""
    if claim.spec.quarantined_until is None:
        raise AssertionError
    left = (datetime.fromisoformat(claim.spec.quarantined_until) - now).total_seconds()
    if left <= 0 or not network_is_known:
        # Unless somebody took it meanwhile.
        return Plan((Delete(CLAIM, claim, unchanged=True),))
    return Plan(again_after=left)
