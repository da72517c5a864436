"""Stream one URL into a file and hash it on the way, as a hostile server would have it or not."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from orlop_agent.image.errors import ImageError
from orlop_agent.image.url import MAX_REDIRECTS, Location, check_address, redirected, vetted
from orlop_api.config import ImageConfig
from orlop_api.quantity import to_bytes

Progress = Callable[[int, int | None], None]
"""Called with bytes received and bytes expected, if known."""

Expect = Callable[[int], Awaitable[None]]
"""Called with bytes that are still to be written, before they are; ImageError where there is no room for them."""

_CHUNK = 1 << 20
_LOOK_BYTES = 64 << 20
"""Bytes between looks at the room that is left; far less than what is kept free."""
_FIRST_BYTE_SECONDS = 30
_RATE_WINDOW_SECONDS = 60.0
_MAY_COME = frozenset({401, 403, 404, 408, 429})
"""Of 4xx those that time may heal. S3 answers 403 for what is not there, unless one may list the bucket."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Fetched:
    """What arrived."""

    digest: str
    size: int


class _VettedResolver(AbstractResolver):
    """Looks a host up once and lets no address through that an image may not come from."""

    def __init__(self, location: Location) -> None:
        self._location = location

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        infos = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, family=family
        )
        results: list[ResolveResult] = []
        for found, _, proto, _, address in infos:
            check_address(self._location, str(address[0]))
            results.append(
                ResolveResult(
                    hostname=host, host=str(address[0]), port=port, family=found, proto=proto, flags=0
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is held."""


async def fetch(
    url: str, checksum: str | None, target: Path, config: ImageConfig, progress: Progress, expect: Expect
) -> Fetched:
    """Write the bytes at `url` to `target` and return their sha256 and number.

    ImageError says what went wrong; the target may then hold anything and must be removed.
    """
    hosts = config.allowed_private_hosts
    location = vetted(url, checksum=checksum is not None, allowed_private_hosts=hosts)
    for _ in range(MAX_REDIRECTS + 1):
        follow = await _hop(location, checksum, target, config, progress, expect)
        if isinstance(follow, Fetched):
            return follow
        location = redirected(location, follow, checksum=checksum is not None, allowed_private_hosts=hosts)
    raise ImageError("TooManyRedirects", f"{url} redirects more than {MAX_REDIRECTS} times", permanent=True)


async def _hop(
    location: Location,
    checksum: str | None,
    target: Path,
    config: ImageConfig,
    progress: Progress,
    expect: Expect,
) -> Fetched | str:
    """Fetch, or say where the server sends us."""
    if _is_literal(location.host):
        check_address(location, location.host)
    connector = aiohttp.TCPConnector(resolver=_VettedResolver(location), use_dns_cache=False)
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=_FIRST_BYTE_SECONDS, sock_read=_FIRST_BYTE_SECONDS
    )
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as session,
            session.get(
                location.url, allow_redirects=False, headers={"Accept-Encoding": "identity"}
            ) as response,
        ):
            if response.status in _REDIRECTS:
                return response.headers.get("Location", "")
            if response.status != 200:
                refused = 400 <= response.status < 500
                raise ImageError(
                    "NotFound" if response.status == 404 else "ServerError",
                    f"{location.host} answered {response.status} for {location.url}",
                    permanent=refused and response.status not in _MAY_COME,
                )
            return await _receive(response, checksum, target, config, progress, expect)
    except aiohttp.ClientError as error:
        raise _transport_error(location, error) from error
    except TimeoutError as error:
        raise ImageError(
            "Timeout", f"{location.host} sent nothing for {_FIRST_BYTE_SECONDS} s", permanent=False
        ) from error


async def _receive(
    response: aiohttp.ClientResponse,
    checksum: str | None,
    target: Path,
    config: ImageConfig,
    progress: Progress,
    expect: Expect,
) -> Fetched:
    expected = response.content_length
    limit = to_bytes(config.max_size)
    if expected is not None and expected > limit:
        raise ImageError(
            "ImageTooLarge", f"the file is {expected} bytes, at most {limit} are allowed", permanent=True
        )
    hashes: dict[str, Any] = {"sha256": hashlib.sha256()}
    if checksum:
        hashes.setdefault(checksum.partition(":")[0], hashlib.new(checksum.partition(":")[0]))
    received, window_bytes, window_start, looked = 0, 0, time.monotonic(), 0
    await expect(expected or 0)
    with target.open("wb") as file:
        async for chunk in response.content.iter_chunked(_CHUNK):
            received += len(chunk)
            if received > limit:
                raise ImageError(
                    "ImageTooLarge", f"the file is over the {limit} bytes that are allowed", permanent=True
                )
            if received - looked >= _LOOK_BYTES:
                looked = received
                await expect(max(0, (expected or received) - received))
            await asyncio.to_thread(_take, chunk, file, hashes)
            progress(received, expected)
            now = time.monotonic()
            if now - window_start >= _RATE_WINDOW_SECONDS:
                rate = (received - window_bytes) / (now - window_start)
                if rate < config.min_bytes_per_second:
                    raise ImageError("TooSlow", f"only {rate:.0f} bytes a second arrive", permanent=False)
                window_bytes, window_start = received, now
    if expected is not None and received != expected:
        raise ImageError("Truncated", f"got {received} of {expected} bytes", permanent=False)
    if checksum:
        kind, _, wanted = checksum.partition(":")
        if hashes[kind].hexdigest() != wanted:
            raise ImageError(
                "ChecksumMismatch",
                f"the file's {kind} is {hashes[kind].hexdigest()}, the Image wants {wanted}",
                permanent=True,
            )
    return Fetched(f"sha256:{hashes['sha256'].hexdigest()}", received)


def _take(chunk: bytes, file: Any, hashes: dict[str, Any]) -> None:
    file.write(chunk)
    for known in hashes.values():
        known.update(chunk)


def _is_literal(host: str) -> bool:
    """Whether the host is an address already, which no resolver is asked about."""
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return False
    return True


def _transport_error(location: Location, error: aiohttp.ClientError) -> ImageError:
    if isinstance(error, aiohttp.InvalidURL):
        return ImageError("ForbiddenURL", f"url {location.url} cannot be asked for", permanent=True)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return ImageError(
            "BadCertificate", f"the certificate of {location.host} does not verify", permanent=False
        )
    if isinstance(error, aiohttp.ClientPayloadError):
        return ImageError("Truncated", f"{location.host} ended the transfer early", permanent=False)
    return ImageError("Unreachable", f"cannot reach {location.host}:{location.port}", permanent=False)
