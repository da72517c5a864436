"""Why an image cannot be had."""

from __future__ import annotations


class ImageError(Exception):
    """An image that cannot be fetched or must not be used.

    `reason` is one CamelCase word for programs, `message` one sentence for people; it holds no path of
    this node. A permanent error stays until the Image is another one; the others are worth a retry.
    """

    def __init__(self, reason: str, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.permanent = permanent
