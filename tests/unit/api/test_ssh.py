"""Public keys as ssh-keygen makes them, and what only looks like one."""

import base64
import subprocess
from pathlib import Path

import pytest

from orlop_api.ssh import public_key

KINDS = [("ed25519", 256), ("rsa", 2048), ("rsa", 4096), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521)]


def field(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def line(kind: str, *fields: bytes) -> str:
    return f"{kind} {base64.b64encode(field(kind.encode()) + b''.join(map(field, fields))).decode()} me@x"


@pytest.mark.parametrize(("kind", "bits"), KINDS)
def test_keys_of_ssh_keygen_have_its_fingerprint(tmp_path: Path, kind: str, bits: int):
    file = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-b", str(bits), "-N", "", "-f", file], check=True)
    text = (tmp_path / "key.pub").read_text().rstrip("\n")
    said = subprocess.run(["ssh-keygen", "-lf", file], check=True, capture_output=True, text=True).stdout
    assert public_key(text).fingerprint == said.split()[1]


def test_keys_in_security_keys():
    """As they are written in PROTOCOL.u2f of OpenSSH; there is none here to make one."""
    ed25519, ecdsa = "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"
    assert public_key(line(ed25519, bytes(32), b"ssh:")).kind == ed25519
    assert public_key(line(ecdsa, b"nistp256", b"\4" + bytes(64), b"ssh:")).kind == ecdsa


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (line("ssh-ed25519", bytes(31)), "another length"),
        (line("ssh-ed25519", bytes(32), b"more"), "something after"),
        (line("ssh-ed25519"), "cut off"),
        (line("ssh-ed25519", bytes(32))[:60], "cut off"),
        (line("ssh-rsa", b"\1\0\1", b"\0" + b"\xff" * 128), "1024 bits: RSA keys have 2048 to 16384"),
        (line("ssh-rsa", b"\2", b"\0" + b"\xff" * 256), "exponent"),
        (line("ecdsa-sha2-nistp256", b"nistp384", b"\4" + bytes(96)), "none of its curve"),
        (line("ecdsa-sha2-nistp256", b"nistp256", b"\2" + bytes(32)), "none of its curve"),
        (line("sk-ssh-ed25519@openssh.com", bytes(32)), "cut off"),
        (line("ssh-ed25519", bytes(32)).replace("ssh-ed25519", "ssh-rsa", 1), "of another type"),
        ("ssh-dss AAAA", "not one line"),
        (line("ssh-ed25519", bytes(32)) + "\nssh-rsa AAAA", "not one line"),
        ("ssh-ed25519 ÄÖ==", "cut off"),
        ("", "not one line"),
    ],
)
def test_what_is_none_says_why(text: str, why: str):
    with pytest.raises(ValueError, match=why):
        public_key(text)
