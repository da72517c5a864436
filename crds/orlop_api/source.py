"""Where a node finds the bytes of a file, resolved and without any secret: every agent can read it."""

from __future__ import annotations

from orlop_api.resource import ApiModel, Checksum, HttpUrl


class WebLocation(ApiModel):
    """A file on a web server."""

    url: HttpUrl
    """Where it is."""


class FileSource(ApiModel):
    """Where the bytes of a file are."""

    http: WebLocation
    """A file on a web server."""


class OrderedFile(ApiModel):
    """A file beside the disk that a node shall fetch."""

    source: FileSource
    """Where it is."""
    checksum: Checksum | None = None
    """What it must hash to."""
