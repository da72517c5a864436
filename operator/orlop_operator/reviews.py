"""What the authorizer said lately. A right that is given or taken shows within seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice

from orlop_operator.reconcile.effects import Question

YES_LASTS = 10.0
NO_LASTS = 5.0
_MOST = 4096


class Reviews:
    """Answers by question, each for a few seconds of the given clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._answers: dict[Question, tuple[bool, float]] = {}
        self.allowed = self.denied = self.failed = 0
        """Answers since the start, and questions that got none."""

    def remember(self, question: Question, *, allowed: bool) -> None:
        """Note an answer; the oldest go when there are too many."""
        self.allowed, self.denied = self.allowed + allowed, self.denied + (not allowed)
        if len(self._answers) >= _MOST:
            for old in list(islice(self._answers, _MOST // 4)):
                del self._answers[old]
        until = self._clock() + (YES_LASTS if allowed else NO_LASTS)
        self._answers.pop(question, None)
        self._answers[question] = (allowed, until)

    def of(self, questions: tuple[Question, ...]) -> Mapping[Question, bool]:
        """The answers that still count."""
        now = self._clock()
        found = ((q, self._answers.get(q)) for q in questions)
        return {q: answer[0] for q, answer in found if answer is not None and answer[1] > now}
