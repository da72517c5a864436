"""The Claims of one Network, for who looks for a free address or for its own: a Claim is read only where it matters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from orlop_api.claim import Claim
from orlop_operator.rows import Index, Row, Shelf


class Claims(Mapping[str, Claim]):
    """By name, as a dict of them; what only asks whether there is one does not read it."""

    def __init__(self, rows: Mapping[str, Row], holdings: Index[str], shelf: Shelf) -> None:
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
