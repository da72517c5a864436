"""KeyPairs, and lists of them, that must be refused."""

from __future__ import annotations

from orlop_api.ssh import TYPES
from support.bad import Bad

PRIVATE = (
    "must be a public key, and this is a private one: keep that to yourself, and give the line that"
    " ssh-keygen -y -f prints of it"
)
LINE = (
    "must be one line as in a .pub file: the type, the key in base64, and at most a comment; types are"
    f" {', '.join(TYPES)}"
)
BITS = "must have at least 2048 bits where it is of type ssh-rsa"
ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIOjswM8c8i7+nlFxYUrNGprOUV2gfSNcf/0zWgBiqmL5"
_PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n"
_FIVE = [{"name": f"k{n}"} for n in range(5)]


def _bad(name: str, key: str, message: str | None) -> Bad:
    return Bad(name, "KeyPair", {"spec.publicKey": key}, "spec.publicKey", message)


KEYS = [
    _bad("a private key", _PEM, PRIVATE),
    _bad("an older private key", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n", PRIVATE),
    _bad("a private key after a public one", f"ssh-ed25519 {ED25519}\n{_PEM}", PRIVATE),
    _bad("no key", "", LINE),
    _bad("the key without its type", ED25519, LINE),
    _bad("the type alone", "ssh-ed25519", LINE),
    _bad("a type of the past", f"ssh-dss {ED25519}", LINE),
    _bad("a certificate", f"ssh-ed25519-cert-v01@openssh.com {ED25519}", LINE),
    _bad("another type than the key's", f"ssh-rsa {ED25519}", LINE),
    _bad("with an option before", f'command="sh" ssh-ed25519 {ED25519}', LINE),
    _bad("two lines", f"ssh-ed25519 {ED25519} me\nssh-ed25519 {ED25519} you", LINE),
    _bad("a line end", f"ssh-ed25519 {ED25519}\n", LINE),
    _bad("a carriage return", f"ssh-ed25519 {ED25519} me\r", LINE),
    _bad("a tab", f"ssh-ed25519\t{ED25519}", LINE),
    _bad("an escape in the comment", f"ssh-ed25519 {ED25519} \x1b[2J", LINE),
    _bad("in PEM", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n", LINE),
    _bad("a short RSA key", f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ{'A' * 170}== me", BITS),
    _bad("a key too long", f"ssh-ed25519 {ED25519} {'c' * 4096}", None),
    Bad("five keys", "Instance", {"spec.keyPairRefs": _FIVE}, "spec.keyPairRefs"),
    Bad("a key twice", "Instance", {"spec.keyPairRefs": _FIVE[:1] * 2}, "spec.keyPairRefs[1]"),
]
