"""Certificates of Orlop's own authorities: making, signing, judging. Pure: no clock, no cluster.

An authority is replaced in two steps, an hour apart: first it is added to the bundle that others trust, and only
later does it sign, so that nobody ever meets a certificate that he was not told to trust.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

CA_LIFETIME = timedelta(days=3 * 365)
SETTLED = timedelta(hours=1)
"""How long a new authority is in the bundle before it signs."""
CLOCK_SKEW = timedelta(minutes=5)

Key = ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a certificate that is no authority's says."""

    common_name: str
    dns_name: str
    usages: Sequence[x509.ObjectIdentifier]
    life: timedelta


def authority(name: str, now: datetime) -> tuple[x509.Certificate, Key]:
    """A new authority that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"{name} {now:%Y-%m-%d}")
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
        _builder(subject, subject, key.public_key(), now, CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def signed(
    leaf: Leaf, public_key: ec.EllipticCurvePublicKey, by: x509.Certificate, signer: Key, now: datetime
) -> x509.Certificate:
    """A certificate of an authority for this key."""
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        _builder(_name(leaf.common_name), by.subject, public_key, now, leaf.life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(leaf.dns_name)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage(leaf.usages), critical=False)
        .add_extension(identifier, critical=False)
        .sign(signer, hashes.SHA256())
    )


def living(bundle: bytes, key: bytes, now: datetime) -> list[x509.Certificate]:
    """The bundle without what has expired; empty when its key does not fit the newest."""
    try:
        found = x509.load_pem_x509_certificates(bundle)
        fits = public(load_key(key).public_key()) == public(key_of(found[0]))
    except (ValueError, TypeError):
        return []
    return [ca for ca in found if now < ca.not_valid_after_utc] if fits else []


def settled(newest: x509.Certificate, now: datetime) -> bool:
    """Whether everybody had the time to hear of this authority."""
    return now >= newest.not_valid_before_utc + CLOCK_SKEW + SETTLED


def issued(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    """Whether this authority signed it."""
    try:
        certificate.verify_directly_issued_by(by)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def due(certificate: x509.Certificate, now: datetime) -> bool:
    """In the last third of its life."""
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return now >= certificate.not_valid_after_utc - life / 3


def pem(*certificates: x509.Certificate) -> bytes:
    """As text, one after the other."""
    return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


def key_pem(key: Key) -> bytes:
    """As text, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_key(text: bytes) -> Key:
    """The key; ValueError or TypeError when it is none of ours."""
    key = serialization.load_pem_private_key(text, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not an elliptic-curve key")
    return key


def key_of(certificate: x509.Certificate | x509.CertificateSigningRequest) -> ec.EllipticCurvePublicKey:
    """The public key; TypeError when it is none of ours."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("not an elliptic-curve key")
    return key


def public(key: ec.EllipticCurvePublicKey) -> bytes:
    """Its one form for comparisons."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
