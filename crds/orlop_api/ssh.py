"""Public keys of SSH in one line, as in a .pub file: type, key in base64, comment (RFC 4253, 6.6; sshd(8)). Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from orlop_api.resource import rule

_CURVES = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
"""Bytes of a point, uncompressed (RFC 5656, section 3.1)."""
_KEY_BYTES = 32
"""Of Ed25519 (RFC 8709, section 4)."""
_SK_ED25519, _SK_ECDSA = "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"
TYPES = ("ssh-ed25519", "ssh-rsa", *(f"ecdsa-sha2-{curve}" for curve in _CURVES), _SK_ED25519, _SK_ECDSA)
LEAST_BITS, MOST_BITS = 2048, 16384
"""Of RSA: what OpenSSH makes at least by itself, and takes at most."""
_LEAST_RSA = 372
"""Characters of base64 that 2048 bits take."""


def _begins(kind: str) -> str:
    """The base64 that every key of this type begins with: its type once more, as far as whole characters go."""
    header = len(kind).to_bytes(4, "big") + kind.encode()
    return base64.b64encode(header[: len(header) // 3 * 3]).decode()


_FORMS = "|".join(f"{kind.replace('.', '[.]')} {_begins(kind).replace('+', '[+]')}" for kind in TYPES)
_LINE = f"^({_FORMS})[A-Za-z0-9+/]+={{0,2}}( [^[:cntrl:]]+)?$"

PUBLIC_KEY = (
    rule(
        "!self.contains('PRIVATE KEY')",
        "must be a public key, and this is a private one: keep that to yourself, and give the line that"
        " ssh-keygen -y -f prints of it",
    ),
    rule(
        f"self.contains('PRIVATE KEY') || self.matches('{_LINE}')",
        "must be one line as in a .pub file: the type, the key in base64, and at most a comment; types are"
        f" {', '.join(TYPES)}",
    ),
    rule(
        f"!self.startsWith('ssh-rsa ') || !self.matches('{_LINE}') || self.split(' ')[1].size() >= {_LEAST_RSA}",
        f"must have at least {LEAST_BITS} bits where it is of type ssh-rsa",
    ),
)


@dataclass(frozen=True)
class PublicKey:
    """A key that was looked into."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen -l prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")


def public_key(line: str) -> PublicKey:
    """What the line holds, to its last byte. Raises ValueError with a sentence."""
    kind, _, rest = line.partition(" ")
    if kind not in TYPES or not line.isprintable():
        raise ValueError(f"it is not one line of type, key and comment, with a type of {', '.join(TYPES)}")
    try:
        blob = base64.b64decode(rest.partition(" ")[0].encode("ascii"), validate=True)
        fields = _Fields(blob)
        if fields.text() != kind:
            raise ValueError("the key in it is of another type than it says")
        _look(kind, fields)
    except (binascii.Error, IndexError, UnicodeError) as error:
        raise ValueError("the key in it is cut off or damaged: copy the whole line") from error
    if fields.rest:
        raise ValueError("there is something after the key: copy the line as it is")
    return PublicKey(kind, blob)


class _Fields:
    """Strings one after the other, each with its length (RFC 4251, section 5)."""

    def __init__(self, blob: bytes) -> None:
        self.rest = blob

    def take(self) -> bytes:
        """The next one. Raises IndexError."""
        length = int.from_bytes(self.rest[:4], "big")
        if len(self.rest) < 4 + length:
            raise IndexError(length)
        field, self.rest = self.rest[4 : 4 + length], self.rest[4 + length :]
        return field

    def text(self) -> str:
        return self.take().decode("ascii")


def _look(kind: str, fields: _Fields) -> None:
    """Raises ValueError, IndexError."""
    if kind == "ssh-rsa":
        exponent, modulus = (int.from_bytes(fields.take(), "big") for _ in range(2))
        if not exponent & 1 or exponent == 1:
            raise ValueError("its public exponent is none of RSA's: make another key")
        if not LEAST_BITS <= modulus.bit_length() <= MOST_BITS:
            raise ValueError(f"it has {modulus.bit_length()} bits: RSA keys have {LEAST_BITS} to {MOST_BITS}")
    elif "ecdsa" in kind:
        curve = fields.text()
        point = fields.take()
        if f"-{curve}" not in kind or len(point) != _CURVES.get(curve) or point[0] != 4:
            raise ValueError("the point in it is none of its curve's: copy the whole line")
    elif len(fields.take()) != _KEY_BYTES:
        raise ValueError("the key in it has another length than Ed25519 keys have: copy the whole line")
    if kind in {_SK_ED25519, _SK_ECDSA}:
        fields.text()
