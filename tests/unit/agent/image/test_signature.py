"""Detached signatures: those that people's tools make, and those that are wrong in one thing."""

import base64
import hashlib

import pytest

from orlop_agent.image.errors import ImageError
from orlop_agent.image.signature import proof
from support.signing import EC, RSA, Minisign, openssl

CONTENT = b"a disk" * 1000
SHOWN = "https://a.example/disk.sig"


def verify(key: str, signature: bytes, content: bytes = CONTENT) -> None:
    made = proof(key, signature, SHOWN)
    made.verify(hashlib.new(made.kind, content).digest())


def why(key: str, signature: bytes, content: bytes = CONTENT) -> str:
    with pytest.raises(ImageError) as error:
        verify(key, signature, content)
    # Whoever publishes uploads file and signature one after the other; the key is the Image's own.
    assert error.value.permanent == (error.value.reason == "BadPublicKey")
    return error.value.reason


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Key and signature of each kind."""
    folder = tmp_path_factory.mktemp("keys")
    curve = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")
    return {
        "EC P-256": openssl(folder, CONTENT, *EC),
        "EC P-384": openssl(folder, CONTENT, *curve),
        "RSA": openssl(folder, CONTENT, *RSA),
    }


KINDS = ["EC P-256", "EC P-384", "RSA"]


@pytest.mark.parametrize("kind", KINDS)
def test_openssl_signs_in_der_and_cosign_in_base64(pairs, kind):
    key, signature = pairs[kind]
    verify(key, signature)
    verify(key, base64.b64encode(signature))
    verify(key, base64.encodebytes(signature))


def test_minisign_signs_with_a_trusted_comment():
    pair = Minisign()
    verify(pair.public_key, pair.sign(CONTENT))
    verify(pair.public_key.splitlines()[1], pair.sign(CONTENT, comment=""))


def test_a_signature_by_minisign_itself():
    """The example in the documentation of the Rust crate minisign-verify."""
    key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
    signature = (
        "untrusted comment: signature from minisign secret key\n"
        "RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/"
        "z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n"
        "trusted comment: timestamp:1633700835\tfile:test\tprehashed\n"
        "wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==\n"
    )
    verify(key, signature.encode(), b"test")


@pytest.mark.parametrize("kind", KINDS)
def test_another_file_key_or_signature_is_none(pairs, kind):
    key, signature = pairs[kind]
    assert why(key, signature, CONTENT + b"x") == "SignatureMismatch"
    assert why(key, signature[:-1]) == "SignatureMismatch"
    assert why(key, b"") == "SignatureMismatch"
    assert why(key, b"<html>not found</html>") == "SignatureMismatch"
    for other in KINDS:
        if other != kind:
            assert why(pairs[other][0], signature) == "SignatureMismatch"


def test_a_minisig_that_is_wrong_in_one_thing_is_none():
    pair, other = Minisign(), Minisign()
    good = pair.sign(CONTENT)
    assert why(pair.public_key, good, CONTENT + b"x") == "SignatureMismatch"
    assert why(pair.public_key, good.replace(b"timestamp:1", b"timestamp:2")) == "SignatureMismatch"
    assert why(other.public_key, good) == "BadSignature"
    other.key_id = pair.key_id
    assert why(other.public_key, good) == "SignatureMismatch"
    assert why(pair.public_key, pair.sign(CONTENT, kind=b"Ed")) == "BadSignature"
    assert why(pair.public_key, b"\n".join(good.splitlines()[:3])) == "BadSignature"
    assert why(pair.public_key, b"\xff\xfe") == "BadSignature"
    assert why(pair.public_key, b"") == "BadSignature"


def test_keys_that_are_none_are_said_to_be(tmp_path):
    weak, signature = openssl(tmp_path, CONTENT, "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    assert why(weak, signature) == "BadPublicKey"
    curve, signature = openssl(
        tmp_path, CONTENT, "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"
    )
    assert why(curve, signature) == "BadPublicKey"
    assert why("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", signature) == "BadPublicKey"
    assert why("RW" + "a" * 40, signature) == "BadPublicKey"
    assert why("RWé" + "a" * 53, signature) == "BadPublicKey"
