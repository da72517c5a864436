"""The life of the webhook's certificates, over years in an instant."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from orlop_operator.certificate import CA_LIFETIME, SERVING_LIFETIME, Material, renewed
from orlop_operator.webhook_trust import load, serving_context

HOST = "orlop-webhook.orlop-system.svc"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def first() -> Material:
    made = renewed(None, HOST, NOW)
    assert made is not None
    return made


def trusts(bundle: bytes, certificate: bytes, at: datetime) -> bool:
    """As an API server does that has this caBundle."""
    leaf = x509.load_pem_x509_certificate(certificate)
    for authority in x509.load_pem_x509_certificates(bundle):
        valid = leaf.not_valid_before_utc <= at < leaf.not_valid_after_utc < authority.not_valid_after_utc
        if leaf.issuer == authority.subject and valid:
            leaf.verify_directly_issued_by(authority)
            return True
    return False


def test_good_material_stays(first: Material) -> None:
    assert renewed(first, HOST, NOW) is None
    assert renewed(first, HOST, NOW + SERVING_LIFETIME / 2) is None
    assert trusts(first.ca_bundle, first.certificate, NOW)


def test_openssl_serves_it(first: Material) -> None:
    context = serving_context()
    load(context, first)
    load(context, first)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_serving_certificate_is_renewed_before_it_expires(first: Material) -> None:
    later = NOW + SERVING_LIFETIME * 0.7
    second = renewed(first, HOST, later)
    assert second is not None
    assert second.ca_bundle == first.ca_bundle
    assert trusts(first.ca_bundle, second.certificate, later)


def test_another_host_or_damage_is_replaced_at_once(first: Material) -> None:
    other = renewed(first, "other.svc", NOW)
    assert other is not None
    assert other.ca_bundle == first.ca_bundle
    for broken in (
        replace(first, certificate=b"x"),
        replace(first, key=first.ca_key),
        replace(first, ca_key=first.key),
        replace(first, ca_bundle=b"x"),
        replace(first, key=b""),
    ):
        healed = renewed(broken, HOST, NOW)
        assert healed is not None
        assert trusts(healed.ca_bundle, healed.certificate, NOW)
        assert renewed(healed, HOST, NOW) is None


def test_parts_that_are_missing_are_no_material(first: Material) -> None:
    data = first.data()
    assert Material.parse(data) == first
    assert Material.parse({**data, "tls.key": b""}) is None
    assert Material.parse({}) is None


def test_for_years_nobody_meets_a_certificate_before_its_authority(first: Material) -> None:
    """Checked twice a day; a slow replica or API server has the bundle of the check before."""
    material, told, now = first, first.ca_bundle, NOW
    authorities = set()
    while now < NOW + 3 * CA_LIFETIME:
        now += timedelta(hours=12)
        new = renewed(material, HOST, now)
        if new is not None:
            assert trusts(told, new.certificate, now)
            assert trusts(new.ca_bundle, material.certificate, now)
            material = new
        told = material.ca_bundle
        authorities.add(x509.load_pem_x509_certificates(told)[0].serial_number)
        assert len(x509.load_pem_x509_certificates(told)) <= 2
    assert len(authorities) >= 4
