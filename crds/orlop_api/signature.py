"""A detached signature of an Image's file, and whose it must be."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orlop_api.imagesource import Url
from orlop_api.resource import ApiModel, rule, rules

_KEY = rule(
    "self.matches('^-----BEGIN PUBLIC KEY-----\\n[A-Za-z0-9+/=\\n]+\\n-----END PUBLIC KEY-----\\n*$') ||"
    " self.matches('^(untrusted comment: [^\\n]*\\n)?RW[A-Za-z0-9+/]{54}\\n*$')",
    "must be a public key in PEM (ECDSA or RSA), or minisign's",
)


class Signature(ApiModel):
    """A signature that the file must have, made with the private half of this key."""

    url: Url
    """Where the signature is, of the file as it is served; 16 KiB at most. https where the file may come by plain
    http."""
    public_key: Annotated[str, Field(min_length=56, max_length=4096, json_schema_extra=rules(_KEY))]
    """Whose it must be. With a key in PEM (-----BEGIN PUBLIC KEY-----; ECDSA over P-256, P-384 or P-521, or RSA) it is
    over the file's SHA-256, in DER or base64, as `cosign sign-blob` and `openssl dgst -sha256 -sign` make it; with a
    minisign key it is a .minisig."""
