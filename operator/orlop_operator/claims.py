"""The Claims of one Network, for who looks for a free address or for its own: a Claim is read only where it matters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from ipaddress import AddressValueError, IPv4Address
from typing import cast

from orlop_api.claim import Claim
from orlop_operator.rows import Index, Row, Shelf


class ClaimRows(dict[str, Row]):
    """Of one Network, by name."""

    full_below = 0
    """A number of IPv4 below which every address that is handed out was found claimed."""

    def forget(self, claim: Claim) -> None:
        """It is gone; an address may be free again."""
        del self[claim.metadata.name]
        # The name is what keeps others off. In the value an administrator may have written anything.
        _, _, address = claim.metadata.name.partition(f"{claim.spec.network_uid}-")
        with suppress(AddressValueError):
            self.full_below = min(self.full_below, int(IPv4Address(address)))


class Claims(Mapping[str, Claim]):
    """By name, as a dict of them; what only asks whether there is one does not read it."""

    def __init__(self, rows: ClaimRows, holdings: Index[str], shelf: Shelf) -> None:
        self._rows = rows
        self._holdings = holdings
        self._shelf = shelf

    def __getitem__(self, name: str) -> Claim:
        return cast("Claim", self._shelf.thing(self._rows[name]))

    def __contains__(self, name: object) -> bool:
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def full_below(self) -> int:
        """Where to begin to look for a free address."""
        return self._rows.full_below

    def filled(self, below: int) -> None:
        """All are claimed up to there."""
        self._rows.full_below = below

    def held_by(self, uid: str) -> list[Claim]:
        """Those of one holder."""
        return [
            self[name]
            for name in sorted(row.key.name for row in self._holdings.of(uid))
            if name in self._rows
        ]

    def resting(self) -> list[Claim]:
        """Those that were given back."""
        return [self[name] for name, row in self._rows.items() if row.owner is None]


def held_by(claims: Mapping[str, Claim], uid: str) -> Iterable[Claim]:
    """Those of one holder, by its uid."""
    if isinstance(claims, Claims):
        return claims.held_by(uid)
    return (claim for claim in claims.values() if claim.is_held and claim.spec.holder.uid == uid)


def resting(claims: Mapping[str, Claim]) -> dict[str, Claim]:
    """Those that were given back, by name."""
    found = claims.resting() if isinstance(claims, Claims) else claims.values()
    return {claim.metadata.name: claim for claim in found if not claim.is_held}
