"""A source as a list of places to ask, in order; each request is made ready anew, since what lets one in expires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orlop_agent.image import registry, s3
from orlop_agent.image.credentials import Credentials
from orlop_agent.image.errors import ImageError
from orlop_agent.image.web import Ask, Web
from orlop_api.source import BucketLocation, FileSource

FILE, LAYER, AS_SERVED = "file", "layer", "as-served"
"""How the served bytes hold the disk: they are it, compressed or not; they are a tar with it below disk/; or they
are kept just as they are."""


class Origin(Protocol):
    """One place that has the bytes."""

    @property
    def shown(self) -> str:
        """How messages name it."""

    async def ask(self) -> Ask:
        """The request for the bytes; ImageError."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """A source, looked up."""

    origins: Sequence[Origin]
    packing: str = FILE
    digest: str | None = None
    """sha256 of the bytes, where the source itself says it."""
    reference: str | None = None
    """The registry reference by digest, whatever its tag means later."""


@dataclass(frozen=True, slots=True)
class _Plain:
    request: Ask

    @property
    def shown(self) -> str:
        return self.request.shown

    async def ask(self) -> Ask:
        return self.request


@dataclass(frozen=True, slots=True)
class _Object:
    """An S3 object, signed for one request at a time."""

    location: BucketLocation
    credentials: Credentials

    @property
    def shown(self) -> str:
        return s3.shown(self.location)

    async def ask(self) -> Ask:
        return s3.request(self.location, self.credentials)


@dataclass(frozen=True, slots=True)
class _Layer:
    """A blob; the registry's token is for a few minutes only."""

    web: Web
    layer: registry.Layer
    credentials: Credentials

    @property
    def shown(self) -> str:
        return self.layer.repository.shown

    async def ask(self) -> Ask:
        return await registry.blob(self.web, self.layer, self.credentials)


async def resolve(
    source: FileSource, web: Web, credentials: Credentials, digest: str | None = None
) -> Resolved:
    """Where to ask; ImageError. A registry is asked for its manifest here, unless the bytes' digest is known."""
    if source.http is not None:
        headers = credentials.authorization()
        urls = [source.http.url, *source.http.mirrors]
        return Resolved([_Plain(Ask(url, _without_query(url), headers)) for url in urls])
    if source.s3 is not None:
        return Resolved([_Object(source.s3, credentials)])
    if source.oci is not None:
        reference = source.oci.reference
        known = registry.pinned(reference, digest) if digest is not None else None
        layer = known or await registry.find(web, reference, credentials)
        packing = LAYER if layer.is_tar else FILE
        return Resolved([_Layer(web, layer, credentials)], packing, layer.digest, layer.reference)
    raise ImageError("UnknownSource", "the node's agent is older than this kind of source", permanent=False)


def _without_query(url: str) -> str:
    return url.partition("?")[0].partition("#")[0]
