"""<secret>: what a disk needs to be opened, for libvirt to keep in memory (formatsecret.html)."""

from __future__ import annotations

import uuid
from xml.etree import ElementTree as ET

from orlop_agent.domain.element import Node, element
from orlop_agent.hypervisor import SecretUsage

_NAMES = uuid.UUID("5b7f1a8e-3a52-4f5e-9c0e-6a2f0f3f7d11")
"""The namespace of their UUIDs (RFC 9562, version 5): the same name is the same secret, whoever defines it."""
_NAMED_BY: dict[SecretUsage, str] = {"iscsi": "target", "ceph": "name", "volume": "volume"}


def secret_uuid(name: str) -> str:
    """The uuid of the secret of this name."""
    return str(uuid.uuid5(_NAMES, name))


def secret_xml(usage: SecretUsage, name: str) -> str:
    """The description of the secret that disks know by this name."""
    described = element(
        "secret",
        element("uuid", text=secret_uuid(name)),
        element("usage", element(_NAMED_BY[usage], text=name), type=usage),
        ephemeral="yes",
        private="yes",
    )
    return ET.tostring(described, encoding="unicode")


def encryption(name: str) -> Node:
    """<encryption>: LUKS by QEMU, with the passphrase of this name (formatstorageencryption.html)."""
    passphrase = element("secret", type="passphrase", uuid=secret_uuid(name))
    return element("encryption", passphrase, format="luks")
