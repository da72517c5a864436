"""Why an image cannot be had."""

from __future__ import annotations

from orlop_agent.failure import MOST_MESSAGE, MOST_REASON, bounded

_MOST_SHOWN = 256


def short(url: str) -> str:
    """A URL or the like as a message shows it: 256 characters, so that there is room for what is wrong."""
    return bounded(url, _MOST_SHOWN)


class ImageError(Exception):
    """An image that cannot be fetched or must not be used.

    `reason` is one CamelCase word for programs, `message` one sentence for people; it holds no path of
    this node. A permanent error stays until the Image is another one; the others are worth a retry.
    """

    def __init__(self, reason: str, message: str, *, permanent: bool) -> None:
        self.reason = bounded(reason, MOST_REASON)
        self.message = bounded(message, MOST_MESSAGE)
        super().__init__(self.message)
        self.permanent = permanent
