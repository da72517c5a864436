"""The nodes' certificates: an authority that signs nothing but what a node is to other nodes. Pure.

The Secret holds `ca.crt` (the bundle, newest authority first), `ca.key` (the newest authority's) and, while that one is
too new to sign, `previous.key`. Of a request only the key is taken: whom a certificate is for is the Hypervisor's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from orlop_api.peer import NodeCertificate, common_name, server_name
from orlop_operator.authority import (
    Leaf,
    authority,
    due,
    key_of,
    key_pem,
    living,
    load_key,
    pem,
    public,
    settled,
    signed,
)

NODE_LIFETIME = timedelta(hours=24)
"""Renewed when two thirds are over; a node that was removed is nobody to the others after a day."""
_NAME = "orlop-node-ca"
_USAGES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
_REMEMBERED = 16384


class RequestError(Exception):
    """A certificate request that is not signed; the message says what is allowed."""


@dataclass(frozen=True, slots=True)
class NodeAuthority:
    """The Secret's content, all PEM."""

    bundle: bytes
    key: bytes
    previous_key: bytes = b""

    def data(self) -> dict[str, bytes]:
        """As the Secret's data, not yet in base64."""
        return {"ca.crt": self.bundle, "ca.key": self.key, "previous.key": self.previous_key}

    @classmethod
    def parse(cls, data: Mapping[str, bytes]) -> NodeAuthority | None:
        """None when a part is missing."""
        bundle, key = data.get("ca.crt"), data.get("ca.key")
        return cls(bundle, key, data.get("previous.key", b"")) if bundle and key else None


def renewed(held: NodeAuthority | None, now: datetime) -> NodeAuthority | None:
    """What must replace the authority now; None when it is good. What cannot be read is replaced at once."""
    authorities = living(held.bundle, held.key, now) if held is not None else []
    if held is None or not authorities:
        certificate, key = authority(_NAME, now)
        return NodeAuthority(pem(certificate), key_pem(key))
    if due(authorities[0], now):
        certificate, key = authority(_NAME, now)
        return NodeAuthority(pem(certificate, *authorities), key_pem(key), held.key)
    if held.previous_key and settled(authorities[0], now):
        return NodeAuthority(pem(*authorities), held.key)
    return None


def certified(held: NodeAuthority, node: str, request: str, now: datetime) -> NodeCertificate:
    """The certificate of a node for the key that its agent asks for. RequestError when it gets none."""
    asked = _checked(request, node)
    authorities = living(held.bundle, held.key, now)
    signer, key = authorities[0], held.key
    if held.previous_key and len(authorities) > 1 and not settled(signer, now):
        signer, key = authorities[1], held.previous_key
    leaf = Leaf(common_name(node), server_name(node), _USAGES, NODE_LIFETIME)
    made = signed(leaf, key_of(asked), signer, load_key(key), now)
    return NodeCertificate(certificate=pem(made).decode(), ca_bundle=held.bundle.decode())


def wanted(held: NodeCertificate | None, request: str, bundle: str, now: datetime) -> bool:
    """Whether a node needs another certificate: for a new key, near its end, or beside another bundle."""
    if held is None or held.ca_bundle != bundle:
        return True
    certificate, asked = _certificate(held.certificate), _request(request)
    if certificate is None or asked is None:
        return True
    return due(certificate, now) or public(key_of(certificate)) != public(key_of(asked))


def _checked(request: str, node: str) -> x509.CertificateSigningRequest:
    asked = _request(request)
    if asked is None:
        raise RequestError("the certificate request is none: PKCS 10 in PEM with a P-256 key is wanted")
    names = [str(name.value) for name in asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [common_name(node)]:
        raise RequestError(
            f"the certificate request is for {', '.join(names)[:100] or 'nobody'}, not for {node}"
        )
    return asked


@lru_cache(maxsize=_REMEMBERED)
def _request(text: str) -> x509.CertificateSigningRequest | None:
    """None when it is none, is not signed by its own key, or has a key of another kind."""
    try:
        asked = x509.load_pem_x509_csr(text.encode())
        fits = asked.is_signature_valid and isinstance(key_of(asked).curve, ec.SECP256R1)
    except (ValueError, TypeError, InvalidSignature):
        return None
    return asked if fits else None


@lru_cache(maxsize=_REMEMBERED)
def _certificate(text: str) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError:
        return None
