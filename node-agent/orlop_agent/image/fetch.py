"""Stream a file from the first of its origins that has it whole, hash it on the way, go on after a cut.

Network, hash and write overlap: the event loop receives into a bounded buffer while threads hash and write the
chunk before. A transfer that was cut goes on where it was, with the same running hash; whether the server's
bytes still belong together is its validator's word (RFC 9110, 13.1.5), or the checksum's in the end.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiohttp

from orlop_agent.image.errors import ImageError
from orlop_agent.image.origin import Origin
from orlop_agent.image.signature import Proof
from orlop_agent.image.sink import Packing
from orlop_agent.image.transfer import Fetched, Part, Transfer
from orlop_agent.image.web import Web, refused
from orlop_api.config import ImageConfig
from orlop_api.quantity import to_bytes

Progress = Callable[[int, int | None], None]
"""Called with bytes received and bytes expected, if known."""

_CHUNK = 1 << 20
_UNSEEN = 16 << 20
"""Bytes between looks at the room that is left; what is unfolded asks for itself (unfold.py)."""
_RATE_WINDOW_SECONDS = 60.0
_MOST_CUTS = 32
_MOST_STALLS = 3
"""Cuts in a row without a byte between them."""
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 5.0
_CUT = frozenset({"Truncated", "Timeout", "Unreachable"})
_GOES_ON = _CUT | {"TooSlow", "WrongRange", "NotFound", "ServerError"}
"""What is wrong with a place, not with the bytes that came from it: the next one may go on from there."""
_OTHER_BYTES = frozenset({"ChecksumMismatch", "SignatureMismatch"})
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the bytes are known by, and where they go."""

    checksums: tuple[str, ...]
    part: Part
    packing: str
    proof: Proof | None = None
    """Verifies the signature of the whole."""


async def fetch(
    web: Web, origins: Sequence[Origin], wanted: Wanted, config: ImageConfig, progress: Progress
) -> Fetched:
    """Write the disk that the origins have to the target, and return what was served and stored.

    ImageError says what went wrong, at each origin; the target may then hold anything and must be removed.
    """
    most = to_bytes(config.max_size)
    packing = Packing(wanted.packing, min(most, to_bytes(config.max_virtual_size)), config.max_expansion)
    transfer = Transfer(wanted.part, wanted.checksums, packing, wanted.proof)
    failures: list[ImageError] = []
    try:
        for origin in origins:
            try:
                return await _from(web, origin, transfer, config, progress)
            except ImageError as error:
                failures.append(error)
                if error.reason not in _GOES_ON:
                    await transfer.restart()
    finally:
        await transfer.abort()
    raise _all_of(failures)


async def _from(
    web: Web, origin: Origin, transfer: Transfer, config: ImageConfig, progress: Progress
) -> Fetched:
    """All of it, over as many cuts as it takes."""
    cuts = stalls = 0
    while True:
        before = transfer.received
        try:
            await _attempt(web, origin, transfer, config, progress)
        except ImageError as error:
            cuts += 1
            stalls = 0 if transfer.received != before else stalls + 1
            begun = transfer.received > 0
            if error.reason not in _CUT or not begun or cuts > _MOST_CUTS or stalls > _MOST_STALLS:
                raise
            await asyncio.sleep(min(_FIRST_WAIT * 2.0**stalls, _LONGEST_WAIT))
            continue
        try:
            return await transfer.finish()
        except ImageError as error:
            pieced = transfer.resumed
            await transfer.restart()
            if error.reason not in _OTHER_BYTES or not pieced:
                raise
            # The pieces may be of two files: once more in one go before that is believed.
            transfer.in_one_go = True


async def _attempt(
    web: Web, origin: Origin, transfer: Transfer, config: ImageConfig, progress: Progress
) -> None:
    ask = await origin.ask()
    headers = transfer.continuation(origin.shown)
    async with web.get(ask, checked=transfer.checked, headers=headers) as response:
        match response.status:
            case 200:
                await transfer.restart()
            case 206 if headers:
                _continues(response, transfer)
            case _:
                raise refused(response, ask)
        transfer.heard(origin.shown, response.headers)
        await _receive(response, transfer, config, progress)


def _continues(response: aiohttp.ClientResponse, transfer: Transfer) -> None:
    """ImageError unless the answer begins where the last one was cut, and is of a file of the same length."""
    told = response.headers.get("Content-Range", "")
    found = _RANGE.fullmatch(told)
    length = transfer.expected
    if (
        found is None
        or int(found[1]) != transfer.received
        or (length is not None and found[2] not in {"*", str(length)})
    ):
        raise ImageError(
            "WrongRange",
            f"{response.url.host} answered the range {told[:64] or 'of nothing'},"
            f" asked for was {transfer.received}- of {length if length is not None else '*'}",
            permanent=False,
        )


async def _receive(
    response: aiohttp.ClientResponse, transfer: Transfer, config: ImageConfig, progress: Progress
) -> None:
    length = response.content_length
    expected = None if length is None else transfer.received + length
    limit = to_bytes(config.max_size)
    if expected is not None and expected > limit:
        raise ImageError(
            "ImageTooLarge", f"the file is {expected} bytes, at most {limit} are allowed", permanent=True
        )
    transfer.expected = expected
    await transfer.part.expect(length or 0)
    looked = transfer.received
    window_bytes, window_start = transfer.received, time.monotonic()
    async for chunk in response.content.iter_chunked(_CHUNK):
        if transfer.received + len(chunk) > limit:
            raise ImageError(
                "ImageTooLarge", f"the file is over the {limit} bytes that are allowed", permanent=True
            )
        await transfer.take(chunk)
        if transfer.received - looked >= _UNSEEN:
            looked = transfer.received
            await transfer.look()
        progress(transfer.received, expected)
        now = time.monotonic()
        if now - window_start >= _RATE_WINDOW_SECONDS:
            rate = (transfer.received - window_bytes) / (now - window_start)
            if rate < config.min_bytes_per_second:
                raise ImageError("TooSlow", f"only {rate:.0f} bytes a second arrive", permanent=False)
            window_bytes, window_start = transfer.received, now
    if expected is not None and transfer.received != expected:
        raise ImageError("Truncated", f"got {transfer.received} of {expected} bytes", permanent=False)


def _all_of(failures: Sequence[ImageError]) -> ImageError:
    """One error for all origins; worth a retry if one of theirs is."""
    if len(failures) == 1:
        return failures[0]
    told = "; ".join(dict.fromkeys(failure.message for failure in failures))
    chosen = next((failure for failure in failures if not failure.permanent), failures[0])
    return ImageError(
        chosen.reason,
        f"none of {len(failures)} places has it: {told}"[:900],
        permanent=all(failure.permanent for failure in failures),
    )
