"""The webhook's certificates: an authority of Orlop's own, and what it signs. Pure: bytes in, bytes out.

The Secret (type kubernetes.io/tls) holds `ca.crt` (the bundle that API servers trust, newest authority first),
`ca.key` (the newest authority's), `tls.crt` and `tls.key`. An authority is replaced in two steps, an hour
apart: first it is added to the bundle, and only later does it sign, so that no API server ever meets a
certificate that it was not told to trust.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFETIME = timedelta(days=3 * 365)
SERVING_LIFETIME = timedelta(days=90)
SETTLED = timedelta(hours=1)
"""How long a new authority is in the bundle before it signs."""
_CLOCK_SKEW = timedelta(minutes=5)


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
    authorities = _authorities(material, now)
    if material is None or not authorities:
        return _from_scratch(host, now)
    newest = authorities[0]
    if _due(newest, now):
        if not _serves(material, authorities, host, now):
            material = _signed(authorities, material.ca_key, host, now)
        certificate, key = _authority(now)
        return Material(_pem(certificate, *authorities), _key_pem(key), material.certificate, material.key)
    if _serves(material, authorities, host, now):
        if _signed_by(material, newest) or now < newest.not_valid_before_utc + _CLOCK_SKEW + SETTLED:
            return None
        return _signed(authorities, material.ca_key, host, now)
    return _signed(authorities, material.ca_key, host, now)


def _from_scratch(host: str, now: datetime) -> Material:
    certificate, key = _authority(now)
    return _signed([certificate], _key_pem(key), host, now)


def _authorities(material: Material | None, now: datetime) -> list[x509.Certificate]:
    """The bundle without what has expired; empty when its key does not fit the newest."""
    if material is None:
        return []
    try:
        bundle = x509.load_pem_x509_certificates(material.ca_bundle)
        fits = _public(_load_key(material.ca_key).public_key()) == _public(_ec(bundle[0]))
    except (ValueError, TypeError):
        return []
    return [ca for ca in bundle if now < ca.not_valid_after_utc] if fits else []


def _serves(material: Material, authorities: list[x509.Certificate], host: str, now: datetime) -> bool:
    """Whether the serving certificate is for this host, is trusted, fits its key and lasts."""
    try:
        certificate = x509.load_pem_x509_certificate(material.certificate)
        fits = _public(_load_key(material.key).public_key()) == _public(_ec(certificate))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, x509.ExtensionNotFound):
        return False
    trusted = any(_issued(certificate, authority) for authority in authorities)
    return trusted and fits and host in names.get_values_for_type(x509.DNSName) and not _due(certificate, now)


def _signed_by(material: Material, authority: x509.Certificate) -> bool:
    return _issued(x509.load_pem_x509_certificate(material.certificate), authority)


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _due(certificate: x509.Certificate, now: datetime) -> bool:
    """In the last third of its life."""
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return now >= certificate.not_valid_after_utc - life / 3


def _authority(now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"orlop-webhook-ca {now:%Y-%m-%d}")
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(name, name, key, now, CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _signed(authorities: list[x509.Certificate], ca_key: bytes, host: str, now: datetime) -> Material:
    authority, signer = authorities[0], _load_key(ca_key)
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    certificate = (
        _builder(_name(host), authority.subject, key, now, SERVING_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(signer, hashes.SHA256())
    )
    return Material(_pem(*authorities), ca_key, _pem(certificate), _key_pem(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + life)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not an elliptic-curve key")
    return key


def _ec(certificate: x509.Certificate) -> ec.EllipticCurvePublicKey:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("not an elliptic-curve key")
    return key


def _public(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
