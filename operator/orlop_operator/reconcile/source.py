"""Where a node finds what a user named: the resolved form, without any secret. Pure."""

from __future__ import annotations

from orlop_api.image import ImageSource, KernelFile
from orlop_api.source import FileSource, WebLocation


def located(source: ImageSource | KernelFile) -> FileSource:
    """The source as a node is told."""
    return FileSource(http=WebLocation(url=source.http.url, mirrors=source.http.mirrors))
