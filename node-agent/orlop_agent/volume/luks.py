"""Encrypted disks: what a passphrase may be, and how programs of this node are given it.

QEMU opens the disk, as LUKS version 1: inside of a qcow2, or around the bytes of a raw disk.
"""

from __future__ import annotations

import base64
import secrets

from orlop_agent.domain.spec import Luks
from orlop_agent.failure import StepError

LONGEST = 512
"""Bytes of a passphrase: what cryptsetup(8) takes too."""
MILLISECONDS = 250
"""How long deriving a key shall take when a disk is opened. A guest stands still while its QEMU does that at a hot
attach, so it is less than the 2 seconds that QEMU takes by itself. A passphrase of 32 random bytes needs none of it."""
QUICK = 10
"""For passphrases that are random: QEMU makes it 1000 rounds, its least."""
OBJECT = "luks"
"""Name of QEMU's object that holds the passphrase."""


def secret_name(uid: str) -> str:
    """By what the hypervisor knows the passphrase of a Volume, or of what is made beside it."""
    return f"orlop-luks-{uid}"


def checked(passphrase: bytes, what: str) -> bytes:
    """The passphrase, if it is one. StepError: KeyInvalid."""
    if not 1 <= len(passphrase) <= LONGEST or b"\0" in passphrase or not _is_text(passphrase):
        raise StepError(
            "KeyInvalid", f"{what} must be 1 to {LONGEST} bytes of UTF-8 text without a zero byte"
        )
    return passphrase


def passing() -> Luks:
    """For a disk that nobody opens again once this process is done with it."""
    return Luks(secret_name(secrets.token_hex(8)), secrets.token_urlsafe(32).encode())


def objects(luks: Luks) -> dict[str, str]:
    """What QEMU's `secret` object holds: its id, and its text in base64. StepError where that is not known."""
    if luks.passphrase is None:
        raise StepError("KeyMissing", "the data is encrypted, and its passphrase is not on its node")
    return {OBJECT: base64.b64encode(luks.passphrase).decode()}


def _is_text(passphrase: bytes) -> bool:
    try:
        passphrase.decode()
    except UnicodeDecodeError:
        return False
    return True
