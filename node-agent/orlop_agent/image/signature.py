"""Detached signatures of image files, verified over digests that are made while the file streams by (pure).

Two kinds, by the key. PEM: ECDSA or RSA (PKCS #1 v1.5) over the file's SHA-256, in DER or base64, as openssl-dgst(1)
and `cosign sign-blob` make it. minisign (https://jedisct1.github.io/minisign/): Ed25519 over the file's BLAKE2b-512,
with a second signature over the first and its trusted comment.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from orlop_agent.image.errors import ImageError

MOST_BYTES = 16 << 10
"""Of a signature: one of minisign's with its longest comment has half of that."""
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_LEAST_RSA, _MOST_RSA = 2048, 8192
_PEM = "-----BEGIN"
_PURE, _HASHED = b"Ed", b"ED"
_TRUSTED = "trusted comment: "


@dataclass(frozen=True, slots=True)
class Proof:
    """What a file has to be."""

    kind: str
    """The hash of the file that is signed, by hashlib's name."""
    check: Callable[[bytes], None]
    """Verifies that digest; InvalidSignature."""
    shown: str

    def verify(self, digest: bytes) -> None:
        """ImageError unless this digest was signed with the key."""
        try:
            self.check(digest)
        except InvalidSignature as error:
            # Whoever publishes both uploads one after the other.
            raise ImageError(
                "SignatureMismatch",
                f"the signature at {self.shown} is not of this file and spec.signature.publicKey",
                permanent=False,
            ) from error


def proof(public_key: str, signature: bytes, shown: str) -> Proof:
    """By the key and what was fetched from where messages say `shown`. ImageError when one of them is unsound."""
    if public_key.lstrip().startswith(_PEM):
        return Proof("sha256", _pem(public_key, signature), shown)
    return Proof("blake2b", _minisign(public_key, signature, shown), shown)


def _pem(text: str, signature: bytes) -> Callable[[bytes], None]:
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _bad_key("it is no public key in PEM") from error
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        made = _binary(signature)
        return lambda digest: key.verify(made, digest, ec.ECDSA(Prehashed(SHA256())))
    if isinstance(key, rsa.RSAPublicKey) and _LEAST_RSA <= key.key_size <= _MOST_RSA:
        whole = signature if len(signature) == key.key_size // 8 else _binary(signature)
        return lambda digest: key.verify(whole, digest, padding.PKCS1v15(), Prehashed(SHA256()))
    raise _bad_key(
        f"of PEM keys ECDSA (P-256, P-384, P-521) and RSA ({_LEAST_RSA} to {_MOST_RSA} bits) are known"
    )


def _binary(signature: bytes) -> bytes:
    """DER as it is, or out of base64; what is neither verifies as nothing."""
    try:
        return base64.b64decode(b"".join(signature.split()), validate=True)
    except binascii.Error:
        return signature


def _minisign(text: str, signature: bytes, shown: str) -> Callable[[bytes], None]:
    line = text.strip().splitlines()[-1].strip()
    made = _decoded(line)
    if len(made) != 42 or made[:2] != _PURE:
        raise _bad_key("it is no public key of minisign's")
    key_id, key = made[2:10], ed25519.Ed25519PublicKey.from_public_bytes(made[10:])
    lines = signature.decode(errors="replace").splitlines()
    if len(lines) < 4 or not lines[2].startswith(_TRUSTED):
        raise _bad_signature(shown, "it has not the four lines of a .minisig")
    body, over_comment = _decoded(lines[1]), _decoded(lines[3])
    if len(body) != 74 or len(over_comment) != 64:
        raise _bad_signature(shown, "it has not the four lines of a .minisig")
    if body[:2] == _PURE:
        raise _bad_signature(shown, "it is of the old kind, over the file itself: sign with minisign -H")
    if body[:2] != _HASHED or body[2:10] != key_id:
        raise _bad_signature(shown, "it was made with another key")
    return partial(_both, key, body[10:], lines[2].removeprefix(_TRUSTED).encode(), over_comment)


def _both(
    key: ed25519.Ed25519PublicKey, signature: bytes, comment: bytes, over_comment: bytes, digest: bytes
) -> None:
    key.verify(signature, digest)
    key.verify(over_comment, signature + comment)


def _decoded(line: str) -> bytes:
    try:
        return base64.b64decode(line.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _bad_key(what: str) -> ImageError:
    return ImageError("BadPublicKey", f"spec.signature.publicKey cannot be used: {what}", permanent=True)


def _bad_signature(shown: str, what: str) -> ImageError:
    return ImageError("BadSignature", f"the signature at {shown} cannot be used: {what}", permanent=False)
