"""How many things there are on each host, kept up one by one: a column that nobody has to count anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from orlop_operator.scheduling.columns import inserted


class Tally:
    """By the uid of what they are of; the rows are the World's."""

    def __init__(self, row: Callable[[str], int | None]) -> None:
        self._row = row
        self._of: dict[str, tuple[str, int]] = {}
        self._sums: dict[str, int] = {}
        """By host, whether it is known or not."""
        self.column: npt.NDArray[np.float64] = np.zeros(0)

    def __bool__(self) -> bool:
        """Whether there is anything at all."""
        return bool(self._of)

    def put(self, uid: str, node: str | None, count: int = 1) -> None:
        """So many are on the node, in the place of what was said before; None: nowhere any more."""
        before = self._of.get(uid)
        after = (node, count) if node is not None and count else None
        if before == after:
            return
        if before is not None:
            del self._of[uid]
            self._add(before[0], -before[1])
        if after is not None:
            self._of[uid] = after
            self._add(*after)

    def insert(self, row: int, name: str) -> None:
        """A host comes between the others."""
        self.column = inserted(self.column, row, self._sums.get(name, 0))

    def cut(self, row: int) -> None:
        """The host of this row goes."""
        self.column = np.delete(self.column, row)

    def rebuild(self, names: Sequence[str]) -> None:
        """Other hosts altogether."""
        self.column = np.fromiter((self._sums.get(name, 0) for name in names), np.float64, len(names))

    def _add(self, node: str, count: int) -> None:
        total = self._sums.get(node, 0) + count
        if total:
            self._sums[node] = total
        else:
            self._sums.pop(node, None)
        row = self._row(node)
        if row is not None:
            self.column[row] += count
