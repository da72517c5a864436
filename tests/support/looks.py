"""Looks that are under way, each cut into its single writes, so that any two can be mixed."""

from abc import ABC, abstractmethod
from collections.abc import Iterator


class Looks(ABC):
    """They are iterators that stop after each write; what must always hold is checked then."""

    def __init__(self) -> None:
        self.looks: list[Iterator[None]] = []

    @abstractmethod
    def check(self) -> None:
        """What holds after every write."""

    def go(self, which: int) -> None:
        """One write of a look."""
        if which < len(self.looks) and next(self.looks[which], "end") == "end":
            self.looks.pop(which)

    def whole(self, look: Iterator[None]) -> None:
        """All of a look, with nothing in between."""
        for _ in look:
            self.check()

    def finish(self) -> None:
        """All that was begun ends."""
        while self.looks:
            self.go(0)
            self.check()
