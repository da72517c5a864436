"""Failures of the agent's own work, as the objects shall tell them."""

from __future__ import annotations

MOST_REASON, MOST_MESSAGE = 128, 1000
"""Characters. The API takes 1024 of a message: some are left to those who put it into one of their own."""


def bounded(text: str, most: int) -> str:
    """At most so many characters that the API takes: one report that it refuses would stop all of its status.

    Headers of servers may hold bytes that are no UTF-8; they come as lone surrogates, which no JSON can hold.
    """
    text = text.encode(errors="replace").decode()
    return text if len(text) <= most else f"{text[: most - 1]}…"


class StepError(Exception):
    """A step that did not work.

    `reason` is one CamelCase word for programs; `message` one sentence for people, without a path of the node
    and without anything of another tenant. A permanent one stays until the order changes.
    """

    def __init__(self, reason: str, message: str, *, permanent: bool = False) -> None:
        self.reason = bounded(reason, MOST_REASON)
        self.message = bounded(message, MOST_MESSAGE)
        super().__init__(self.message)
        self.permanent = permanent
