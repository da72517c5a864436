"""A foreign disk from its source into one file that guests may have: resolve, fetch, look, inspect, convert."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orlop_agent.api.errors import ApiError, NotFoundError
from orlop_agent.image.convert import convert
from orlop_agent.image.credentials import NONE, Credentials, from_secret
from orlop_agent.image.errors import ImageError
from orlop_agent.image.fetch import Progress, Wanted, fetch
from orlop_agent.image.header import CONVERTED, Header, examine
from orlop_agent.image.inside import Inside, Read, nothing
from orlop_agent.image.inspect import inspect_disk
from orlop_agent.image.kept import kept_as
from orlop_agent.image.origin import AS_SERVED, LAYER, resolve
from orlop_agent.image.published import Maker
from orlop_agent.image.signed import signed_by
from orlop_agent.image.sink import digest_of
from orlop_agent.image.transfer import Fetched, Part
from orlop_agent.image.web import Web
from orlop_agent.image.window import OpenFile
from orlop_api.assignment import AssignedSecret
from orlop_api.config import ImageConfig
from orlop_api.hypervisor import PublishedOrigin
from orlop_api.image import ImageFormat
from orlop_api.quantity import to_bytes
from orlop_api.source import IMAGE_KEYS, FileSource, OrderedSignature


@dataclass(frozen=True, slots=True)
class Taken:
    """A disk that was taken in."""

    digest: str
    """sha256 of the bytes as served."""
    size: int
    """Bytes as served."""
    content_digest: str
    """sha256 of the file that was made of them."""
    format: ImageFormat
    """As served."""
    virtual_size: int
    reference: str | None
    """The registry reference by digest, for a source in a registry."""


Secrets = Callable[[str, str], Awaitable[Mapping[str, str]]]
"""Reads a Secret's data (base64) by namespace and name; ApiError."""


async def no_secrets(_namespace: str, name: str) -> Mapping[str, str]:
    """Nobody reads any."""
    raise NotFoundError(name)


class Intake:
    """Takes files in as orlop-config allows."""

    def __init__(
        self, config: ImageConfig, secrets: Secrets, inside: Read = nothing, maker: Maker | None = None
    ) -> None:
        """`maker` makes what is published of this node's own disks."""
        self._config = config
        self._secrets = secrets
        self._inside = Inside(inside, config.refused_networks)
        self._maker = maker

    async def disk(
        self,
        source: FileSource,
        checksums: Sequence[str],
        declared: ImageFormat | None,
        part: Part,
        progress: Progress,
        secret: AssignedSecret | None = None,
        signature: OrderedSignature | None = None,
    ) -> Taken:
        """Make `part` the disk; ImageError when there is none to be had. Whatever is left then is rubbish."""
        fetched, reference = await self._fetch(source, checksums, part, progress, secret, signature)
        header = await self.look_at(part.path, declared)
        content, size = fetched.content_digest, header.virtual_size
        if header.format in CONVERTED:
            size = await self._convert(part, header)
            content = await asyncio.to_thread(digest_of, part.path)
        return Taken(fetched.digest, fetched.size, content, header.format, size, reference)

    async def made(self, origin: PublishedOrigin, part: Part, progress: Progress) -> Taken:
        """Make `part` what a disk of this node holds; looked at as a foreign one, for a guest has written it."""
        if self._maker is None:
            raise ImageError("UnknownSource", "this node publishes nothing", permanent=False)
        await self._maker.make(origin, part, progress)
        header = await self._look_at(part.path, ImageFormat.QCOW2, (ImageFormat.QCOW2,))
        size = (await asyncio.to_thread(part.path.stat)).st_size
        digest = await asyncio.to_thread(digest_of, part.path)
        return Taken(digest, size, digest, ImageFormat.QCOW2, header.virtual_size, None)

    async def file(
        self, source: FileSource, checksums: Sequence[str], part: Part, digest: str | None = None
    ) -> Fetched:
        """Make `part` a kernel or an initial RAM disk, kept as served; `digest` of its bytes, where that is pinned."""
        web = Web(self._config, await asyncio.to_thread(NONE.trust), self._inside)
        resolved = await resolve(source, web, NONE, digest)
        if resolved.packing == LAYER:
            message = (
                f"{resolved.reference} is a container's image: a kernel or an initial RAM disk must be the only layer"
                " of an artifact"
            )
            raise ImageError("BadManifest", message, permanent=True)
        known = {*checksums, *([resolved.digest] if resolved.digest else [])}
        wanted = Wanted(tuple(sorted(known)), part, AS_SERVED)
        return await fetch(web, resolved.origins, wanted, self._config, _no_progress)

    async def look_at(self, path: Path, declared: ImageFormat | None) -> Header:
        """Our own check first, then the inspector's, before anything else reads the file."""
        return await self._look_at(path, declared, self._config.formats)

    async def look_at_stored(self, path: Path, served: ImageFormat) -> None:
        """The same for what another node made of a source that was served in this format."""
        declared = kept_as(served)
        await self._look_at(path, declared, (declared,))

    async def _look_at(
        self, path: Path, declared: ImageFormat | None, accepted: Collection[ImageFormat]
    ) -> Header:
        most = to_bytes(self._config.max_virtual_size)
        header = await asyncio.to_thread(examine, OpenFile(path), declared, accepted, most)
        await inspect_disk(path, header.format)
        return header

    async def _fetch(
        self,
        source: FileSource,
        checksums: Sequence[str],
        part: Part,
        progress: Progress,
        secret: AssignedSecret | None,
        signature: OrderedSignature | None,
    ) -> tuple[Fetched, str | None]:
        credentials = await self._credentials(source, secret)
        web = Web(self._config, await asyncio.to_thread(credentials.trust), self._inside)
        proof = await signed_by(web, signature, source, credentials) if signature is not None else None
        resolved = await resolve(source, web, credentials)
        known = {*checksums, *([resolved.digest] if resolved.digest else [])}
        wanted = Wanted(tuple(sorted(known)), part, resolved.packing, proof)
        fetched = await fetch(web, resolved.origins, wanted, self._config, progress)
        return fetched, resolved.reference

    async def _credentials(self, source: FileSource, secret: AssignedSecret | None) -> Credentials:
        """From the node's own Secret; the keys of an Instance's user data may be all that is in it."""
        if secret is None or not IMAGE_KEYS.intersection(secret.keys):
            return NONE
        try:
            data = await self._secrets(secret.namespace, secret.name)
        except (ApiError, OSError) as error:
            raise ImageError(
                "CredentialsMissing", "the source's credentials are not on the node yet", permanent=False
            ) from error
        registry = source.oci.reference.partition("/")[0] if source.oci is not None else ""
        return from_secret(data, registry)

    async def _convert(self, part: Part, header: Header) -> int:
        """Put qcow2 in the place of what was served; the virtual size that it came to."""
        made = part.path.with_name(f"{part.path.name}.qcow2")
        await part.expect((await asyncio.to_thread(part.path.stat)).st_size)
        try:
            await convert(part.path, header, made, self._config.max_expansion)
            await asyncio.to_thread(made.rename, part.path)
        finally:
            await asyncio.to_thread(made.unlink, missing_ok=True)
        most = to_bytes(self._config.max_virtual_size)
        own = await asyncio.to_thread(
            examine, OpenFile(part.path), ImageFormat.QCOW2, (ImageFormat.QCOW2,), most
        )
        return own.virtual_size


def _no_progress(_received: int, _expected: int | None) -> None:
    """Nobody listens."""
