"""What is answered to a question: methods, tokens (IMDSv2) and what is refused. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from orlop_agent.metadata.guest import Guest
from orlop_agent.metadata.layout import find

TOKEN_PATH = "/latest/api/token"  # noqa: S105 - a path
TOKEN = "X-aws-ec2-metadata-token"  # noqa: S105 - a header
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
LONGEST = 21600
"""Seconds that a token may be good for, as with EC2."""
FORWARDED = ("X-Forwarded-For", "Forwarded")
"""Set by proxies: a program in the guest that asks on somebody else's behalf, who is not to know."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content: bytes = b""
    kind: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(
    guest: Guest, method: str, path: str, headers: Mapping[str, str], key: bytes, now: float
) -> Answer:
    """To one question. `headers` are found in whatever case; `key` is what tokens are made with."""
    if any(name in headers for name in FORWARDED):
        return Answer(403, b"metadata is not for proxies: ask without X-Forwarded-For and Forwarded\n")
    if method == "PUT" and path == TOKEN_PATH:
        return _token(guest, headers.get(TTL, ""), key, now)
    if path == TOKEN_PATH:
        return Answer(405, b"only PUT is answered here\n", headers={"Allow": "PUT"})
    if method not in {"GET", "HEAD"}:
        return Answer(405, b"only GET and HEAD are answered here\n", headers={"Allow": "GET, HEAD"})
    if TOKEN in headers and not _holds(guest, headers[TOKEN], key, now):
        return Answer(401, b"the token does not hold: get another one from " + TOKEN_PATH.encode() + b"\n")
    found = find(guest, path)
    return Answer(404, b"not found\n") if found is None else Answer(200, found.content, found.kind)


def _token(guest: Guest, ttl: str, key: bytes, now: float) -> Answer:
    """A token says until when it holds, and for whom: nothing is remembered for it."""
    if not (ttl.isascii() and ttl.isdecimal() and len(ttl) <= len(str(LONGEST)) and 1 <= int(ttl) <= LONGEST):
        return Answer(400, f"{TTL} must be 1 to {LONGEST}\n".encode())
    until = str(int(now) + int(ttl)).encode()
    token = base64.urlsafe_b64encode(until + b"." + _proof(guest, until, key))
    return Answer(200, token, headers={TTL: ttl})


def _holds(guest: Guest, token: str, key: bytes, now: float) -> bool:
    try:
        until, _, proof = base64.urlsafe_b64decode(token.encode("ascii")).partition(b".")
        return hmac.compare_digest(proof, _proof(guest, until, key)) and now < int(until)
    except (binascii.Error, ValueError):
        return False


def _proof(guest: Guest, until: bytes, key: bytes) -> bytes:
    return hmac.digest(key, guest.uid.encode() + b"/" + until, hashlib.sha256)
