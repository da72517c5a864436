"""Who gets which certificate, over years in an instant."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from orlop_agent.peer.identity import Identity
from orlop_api.peer import NodeCertificate, server_name
from orlop_operator.authority import CA_LIFETIME
from orlop_operator.node_certificate import (
    NODE_LIFETIME,
    NodeAuthority,
    RequestError,
    certified,
    renewed,
    wanted,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST = Identity("node-1").request


@pytest.fixture(scope="module")
def first() -> NodeAuthority:
    made = renewed(None, NOW)
    assert made is not None
    return made


def trusts(bundle: bytes | str, certificate: str, at: datetime) -> bool:
    """As another node does that has this bundle."""
    text = bundle.encode() if isinstance(bundle, str) else bundle
    leaf = x509.load_pem_x509_certificate(certificate.encode())
    for authority in x509.load_pem_x509_certificates(text):
        valid = leaf.not_valid_before_utc <= at < leaf.not_valid_after_utc
        if leaf.issuer == authority.subject and valid and at < authority.not_valid_after_utc:
            leaf.verify_directly_issued_by(authority)
            return True
    return False


def request(key, *names: str, dns: str = "") -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_of_a_request_only_the_key_is_taken(first: NodeAuthority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = certified(first, "node-1", request(key, "node-1", dns=server_name("node-2")), NOW)
    leaf = x509.load_pem_x509_certificate(made.certificate.encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [server_name("node-1")]
    assert [a.value for a in leaf.subject] == ["node-1"]
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usages) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert leaf.not_valid_after_utc == NOW + NODE_LIFETIME
    assert trusts(made.ca_bundle, made.certificate, NOW)
    assert not trusts(made.ca_bundle, made.certificate, NOW + timedelta(hours=25))


GOOD = ec.generate_private_key(ec.SECP256R1())
BAD = {
    "empty": "",
    "text": "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    "nobody": request(GOOD),
    "another node": request(GOOD, "node-2"),
    "two names": request(GOOD, "node-1", "node-2"),
    "rsa": request(rsa.generate_private_key(65537, 2048), "node-1"),
    "another curve": request(ec.generate_private_key(ec.SECP384R1()), "node-1"),
    "a signature of nobody": REQUEST.replace(REQUEST[-60:-50], "A" * 10),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_is_not_signed(first: NodeAuthority, text: str) -> None:
    with pytest.raises(RequestError, match=r"node-1|P-256") as caught:
        certified(first, "node-1", text, NOW)
    assert len(str(caught.value)) < 200


def test_long_names_have_certificates_of_their_own(first: NodeAuthority) -> None:
    one, other = "n" * 70 + "-1", "n" * 70 + "-2"
    made = certified(first, one, Identity(one).request, NOW)
    leaf = x509.load_pem_x509_certificate(made.certificate.encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [server_name(one)] != [server_name(other)]


def test_when_another_one_is_wanted(first: NodeAuthority) -> None:
    bundle = first.bundle.decode()
    held = certified(first, "node-1", REQUEST, NOW)
    assert wanted(None, REQUEST, bundle, NOW)
    assert not wanted(held, REQUEST, bundle, NOW + NODE_LIFETIME * 0.6)
    assert wanted(held, REQUEST, bundle, NOW + NODE_LIFETIME * 0.7)
    assert wanted(held, Identity("node-1").request, bundle, NOW), "the agent was started anew"
    assert wanted(held, REQUEST, bundle + "x", NOW)
    assert wanted(NodeCertificate(certificate="x", ca_bundle=bundle), REQUEST, bundle, NOW)


def test_damage_is_replaced_at_once(first: NodeAuthority) -> None:
    assert renewed(first, NOW) is None
    for broken in (replace(first, bundle=b"x"), replace(first, key=b"x"), replace(first, key=_other_key())):
        healed = renewed(broken, NOW)
        assert healed is not None
        assert renewed(healed, NOW) is None
    assert NodeAuthority.parse(first.data()) == first
    assert NodeAuthority.parse({**first.data(), "ca.key": b""}) is None


def _other_key() -> bytes:
    made = renewed(None, NOW)
    assert made is not None
    return made.key


def test_for_years_no_node_meets_a_certificate_before_its_authority(first: NodeAuthority) -> None:
    """One node is certified anew each 16 hours, another has what was there a quarter of an hour ago."""
    authority, told, now = first, first.bundle, NOW
    seen = set()
    step = timedelta(minutes=15)
    while now < NOW + 2 * CA_LIFETIME:
        # Steps of minutes are of interest around a change only.
        now += step if authority.previous_key else timedelta(hours=16)
        changed = renewed(authority, now)
        if changed is not None:
            authority = changed
        made = certified(authority, "node-1", REQUEST, now)
        assert trusts(told, made.certificate, now), "with the bundle of the look before"
        assert trusts(authority.bundle, made.certificate, now)
        told = authority.bundle
        seen.add(x509.load_pem_x509_certificates(told)[0].serial_number)
        assert len(x509.load_pem_x509_certificates(told)) <= 2
        assert len(told) <= 16384
    assert len(seen) >= 3
