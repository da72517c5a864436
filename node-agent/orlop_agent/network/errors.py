"""Why a Network cannot be had on this node."""

from __future__ import annotations


class NetworkError(Exception):
    """A step that failed; every one is worth a retry, because every one can be done again.

    `reason` is one CamelCase word for programs, `message` one sentence for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
