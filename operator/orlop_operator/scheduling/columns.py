"""What follows from the facts of hosts, as columns: worked out once, then kept up row by row."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from orlop_operator.scheduling.facts import Host

Array = npt.NDArray[Any]
Whole = Callable[[], Array] | None
"""The same of all hosts at once, where there is a quicker way to begin with."""
_REMEMBERED = 256
"""Columns; the one that was asked for longest ago goes first."""


@dataclass(slots=True)
class _Column:
    value: Callable[[Host], Any]
    values: Array
    seen: Array
    """The same, not to be written to."""


class Columns:
    """By key, each with a value for every host; the hosts are the owner's."""

    def __init__(self) -> None:
        self._columns: OrderedDict[Hashable, _Column] = OrderedDict()
        self._codes: dict[str, dict[str | None, int]] = {}
        """By label its values, with the numbers that columns have for them."""

    def get(
        self,
        key: Hashable,
        value: Callable[[Host], Any],
        kind: type[Any],
        hosts: Sequence[Host],
        whole: Whole = None,
    ) -> Array:
        """The column; not to be written to."""
        column = self._columns.get(key)
        if column is not None:
            self._columns.move_to_end(key)
            return column.seen
        column = _column(
            value, whole() if whole is not None else np.fromiter(map(value, hosts), kind, len(hosts))
        )
        self._columns[key] = column
        if len(self._columns) > _REMEMBERED:
            self._columns.popitem(last=False)
        return column.seen

    def labeled(
        self, label: str, test: Callable[[str | None], bool], hosts: Sequence[Host]
    ) -> npt.NDArray[np.bool_]:
        """Which hosts have a value of the label that passes; each different value is tested once."""
        codes = self._codes.setdefault(label, {})
        column = self.get(
            ("values of", label),
            lambda host: codes.setdefault(host.labels.get(label), len(codes)),
            np.intp,
            hosts,
        )
        mask: npt.NDArray[np.bool_] = np.fromiter(map(test, codes), np.bool_, len(codes))[column]
        return mask

    def change(self, row: int, host: Host) -> None:
        """The host of this row is another, or says something else."""
        for column in self._columns.values():
            column.values[row] = column.value(host)

    def insert(self, row: int, host: Host) -> None:
        """A host comes between the others."""
        for key, column in self._columns.items():
            self._columns[key] = _column(column.value, inserted(column.values, row, column.value(host)))

    def cut(self, row: int) -> None:
        """The host of this row goes."""
        for key, column in self._columns.items():
            self._columns[key] = _column(column.value, np.delete(column.values, row))

    def clear(self) -> None:
        """Other hosts altogether."""
        self._columns.clear()
        self._codes.clear()


def inserted(values: Array, row: int, value: Any) -> Array:
    """With this value in between, along the last axis; a tenth of what numpy.insert takes."""
    made = np.empty((*values.shape[:-1], values.shape[-1] + 1), values.dtype)
    made[..., :row] = values[..., :row]
    made[..., row] = value
    made[..., row + 1 :] = values[..., row:]
    return made


def _column(value: Callable[[Host], Any], values: Array) -> _Column:
    seen = values.view()
    seen.flags.writeable = False
    return _Column(value, values, seen)
