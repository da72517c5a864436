"""Failures of the agent's own work, as the objects shall tell them."""

from __future__ import annotations


class StepError(Exception):
    """A step that did not work.

    `reason` is one CamelCase word for programs; `message` one sentence for people, without a path of the node
    and without anything of another tenant. A permanent one stays until the order changes.
    """

    def __init__(self, reason: str, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.permanent = permanent
