"""The webhook's certificates: an authority of Orlop's own, and what it signs. Pure: bytes in, bytes out.

The Secret (type kubernetes.io/tls) holds `ca.crt` (the bundle that API servers trust, newest authority first),
`ca.key` (the newest authority's), `tls.crt` and `tls.key`. How an authority is replaced: `authority`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from orlop_operator.authority import (
    CA_LIFETIME,
    Leaf,
    authority,
    due,
    issued,
    key_of,
    key_pem,
    living,
    load_key,
    pem,
    public,
    settled,
    signed,
)

__all__ = ["CA_LIFETIME", "SERVING_LIFETIME", "Material", "renewed"]

SERVING_LIFETIME = timedelta(days=90)
_NAME = "orlop-webhook-ca"


@dataclass(frozen=True, slots=True)
class Material:
    """The Secret's content, all PEM."""

    ca_bundle: bytes
    ca_key: bytes
    certificate: bytes
    key: bytes

    def data(self) -> dict[str, bytes]:
        """As the Secret's data, not yet in base64."""
        return {
            "ca.crt": self.ca_bundle,
            "ca.key": self.ca_key,
            "tls.crt": self.certificate,
            "tls.key": self.key,
        }

    @classmethod
    def parse(cls, data: Mapping[str, bytes]) -> Material | None:
        """None when a part is missing."""
        parts = [data.get(name) for name in ("ca.crt", "ca.key", "tls.crt", "tls.key")]
        if not all(parts):
            return None
        return cls(*(part for part in parts if part))


def renewed(material: Material | None, host: str, now: datetime) -> Material | None:
    """What must replace the material now; None when it is good.

    Unreadable material, a certificate for another host, or keys that do not fit are replaced at once.
    """
    authorities = living(material.ca_bundle, material.ca_key, now) if material is not None else []
    if material is None or not authorities:
        certificate, key = authority(_NAME, now)
        return _signed([certificate], key_pem(key), host, now)
    newest = authorities[0]
    if due(newest, now):
        if not _serves(material, authorities, host, now):
            material = _signed(authorities, material.ca_key, host, now)
        certificate, key = authority(_NAME, now)
        return Material(pem(certificate, *authorities), key_pem(key), material.certificate, material.key)
    if _serves(material, authorities, host, now):
        if _signed_by(material, newest) or not settled(newest, now):
            return None
        return _signed(authorities, material.ca_key, host, now)
    return _signed(authorities, material.ca_key, host, now)


def _serves(material: Material, authorities: list[x509.Certificate], host: str, now: datetime) -> bool:
    """Whether the serving certificate is for this host, is trusted, fits its key and lasts."""
    try:
        certificate = x509.load_pem_x509_certificate(material.certificate)
        fits = public(load_key(material.key).public_key()) == public(key_of(certificate))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, x509.ExtensionNotFound):
        return False
    trusted = any(issued(certificate, one) for one in authorities)
    return trusted and fits and host in names.get_values_for_type(x509.DNSName) and not due(certificate, now)


def _signed_by(material: Material, one: x509.Certificate) -> bool:
    return issued(x509.load_pem_x509_certificate(material.certificate), one)


def _signed(authorities: list[x509.Certificate], ca_key: bytes, host: str, now: datetime) -> Material:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = Leaf(host, host, (ExtendedKeyUsageOID.SERVER_AUTH,), SERVING_LIFETIME)
    made = signed(leaf, key.public_key(), authorities[0], load_key(ca_key), now)
    return Material(pem(*authorities), ca_key, pem(made), key_pem(key))
