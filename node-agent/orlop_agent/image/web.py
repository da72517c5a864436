"""Requests to servers that users name: each hop vetted, the connection made to the address that was vetted."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from orlop_agent.image.errors import ImageError, short
from orlop_agent.image.inside import Inside
from orlop_agent.image.url import MAX_REDIRECTS, Location, check_address, literal, redirected, vetted
from orlop_api.config import ImageConfig

READ_AHEAD = 1 << 20
"""Bytes that may wait while those before them are hashed and written."""
SILENCE_SECONDS = 30
ANSWER_SECONDS = 60
"""Until all headers are there, the connection included."""
_MAY_COME = frozenset({401, 403, 404, 408, 429})
"""Of 4xx those that time may heal. S3 answers 403 for what is not there, unless one may list the bucket."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Ask:
    """One request."""

    url: str = field(repr=False)
    """May be signed, so it is shown to nobody."""
    shown: str
    """How messages name it."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """For this host only: no redirect to another one takes Authorization along."""


class _VettedResolver(AbstractResolver):
    """Looks a host up once and lets no address through that an image may not come from."""

    def __init__(self, location: Location, inside: Inside) -> None:
        self._location = location
        self._inside = inside

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        infos = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, family=family
        )
        results: list[ResolveResult] = []
        for found, _, proto, _, address in infos:
            check_address(self._location, str(address[0]))
            await self._inside.check(self._location, str(address[0]))
            results.append(
                ResolveResult(
                    hostname=host, host=str(address[0]), port=port, family=found, proto=proto, flags=0
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is held."""


class Web:
    """Makes requests as orlop-config allows them."""

    def __init__(self, config: ImageConfig, trust: ssl.SSLContext, inside: Inside | None = None) -> None:
        self._hosts = config.allowed_private_hosts
        self._trust = trust
        self._inside = inside or Inside(more=config.refused_networks)

    @asynccontextmanager
    async def get(
        self, ask: Ask, *, checked: bool, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The first answer that is no redirect; ImageError for what happens while it is read, too.

        `checked`: the bytes are known by a checksum, so plain http is allowed.
        """
        location = vetted(ask.url, checksum=checked, allowed_private_hosts=self._hosts, shown=ask.shown)
        home = (location.scheme, location.host, location.port)
        for _ in range(MAX_REDIRECTS + 1):
            here = (location.scheme, location.host, location.port) == home
            sent = {"Accept-Encoding": "identity", **(ask.headers if here else {}), **(headers or {})}
            async with self._hop(location, sent) as response:
                if response.status not in _REDIRECTS:
                    yield response
                    return
                target = response.headers.get("Location", "")
            location = redirected(location, target, checksum=checked, allowed_private_hosts=self._hosts)
        raise ImageError(
            "TooManyRedirects",
            f"{short(ask.shown)} redirects more than {MAX_REDIRECTS} times",
            permanent=True,
        )

    @asynccontextmanager
    async def _hop(
        self, location: Location, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        address = literal(location)
        if address is not None:
            await self._inside.check(location, address)
        connector = aiohttp.TCPConnector(
            resolver=_VettedResolver(location, self._inside), use_dns_cache=False, ssl=self._trust
        )
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_SECONDS, sock_read=SILENCE_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector, timeout=timeout, auto_decompress=False, read_bufsize=READ_AHEAD
                ) as session,
                await _answer(session, location, headers) as response,
            ):
                yield response
        except aiohttp.ClientError as error:
            raise _transport_error(location, error) from error
        except TimeoutError as error:
            raise _silent(location) from error


async def _answer(
    session: aiohttp.ClientSession, location: Location, headers: Mapping[str, str]
) -> aiohttp.ClientResponse:
    """The answer with its headers, which a server might send byte by byte, never silent and never done."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS) as limit:
            return await session.get(location.url, allow_redirects=False, headers=headers)
    except TimeoutError as error:
        if not limit.expired():
            raise
        message = f"{location.host} sent no whole answer within {ANSWER_SECONDS:.0f} s"
        raise ImageError("Timeout", message, permanent=False) from error


def refused(response: aiohttp.ClientResponse, ask: Ask) -> ImageError:
    """What an answer that is no success means."""
    denied = 400 <= response.status < 500
    return ImageError(
        "NotFound" if response.status == 404 else "ServerError",
        f"{response.url.host} answered {response.status} for {short(ask.shown)}",
        permanent=denied and response.status not in _MAY_COME,
    )


def _silent(location: Location) -> ImageError:
    return ImageError("Timeout", f"{location.host} sent nothing for {SILENCE_SECONDS:.0f} s", permanent=False)


def _transport_error(location: Location, error: aiohttp.ClientError) -> ImageError:
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
        return _silent(location)
    if isinstance(error, aiohttp.InvalidURL):
        return ImageError("ForbiddenURL", f"{location.shown} cannot be asked for", permanent=True)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return ImageError(
            "BadCertificate", f"the certificate of {location.host} does not verify", permanent=False
        )
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError):
        return ImageError("Truncated", f"{location.host} ended the transfer early", permanent=False)
    if isinstance(error, aiohttp.ClientResponseError):
        return ImageError("ServerError", f"{location.host} answered no sound HTTP", permanent=False)
    return ImageError("Unreachable", f"cannot reach {location.host}:{location.port}", permanent=False)
