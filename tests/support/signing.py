"""Signatures as people make them: with openssl, as cosign does, and as minisign does."""

from __future__ import annotations

import base64
import hashlib
import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def openssl(folder: Path, content: bytes, *algorithm: str) -> tuple[str, bytes]:
    """A public key in PEM and the signature, by the program itself."""
    name = "".join(part for part in algorithm if part.isalnum())
    private, public, data = (
        folder / f"{name}{secrets.token_hex(2)}.{kind}" for kind in ("key", "pub", "data")
    )
    data.write_bytes(content)
    run = ["openssl", "genpkey", "-quiet", *algorithm, "-out", private]
    subprocess.run(run, check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", private, data], check=True, capture_output=True
    )
    return public.read_text(), made.stdout


EC = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")


@dataclass
class Minisign:
    """One key pair."""

    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    key_id: bytes = field(default_factory=lambda: secrets.token_bytes(8))

    @property
    def public_key(self) -> str:
        """The file minisign.pub."""
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"untrusted comment: minisign public key\n{_text(b'Ed' + self.key_id + raw)}\n"

    def sign(self, content: bytes, comment: str = "timestamp:1 file:disk", kind: bytes = b"ED") -> bytes:
        """A .minisig."""
        signed = hashlib.blake2b(content).digest() if kind == b"ED" else content
        made = self.private.sign(signed)
        over = self.private.sign(made + comment.encode())
        lines = (
            "untrusted comment: signature from minisign secret key",
            _text(kind + self.key_id + made),
            f"trusted comment: {comment}",
            _text(over),
        )
        return "".join(f"{line}\n" for line in lines).encode()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
