"""What guests may know of themselves, and how they ask for it."""

from __future__ import annotations

import http.client
from collections.abc import Sequence
from typing import Any

from orlop_agent.metadata.guest import Guest
from orlop_api.assignment import AssignedNic, AssignmentSpec
from support.fakenode import nic
from support.stack import PATIENT, Stack

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@x"
ADDRESS, ADDRESS6 = "169.254.169.254", "fd00:ec2::254"
_STARTS = 60.0
"""Seconds for the confined program to begin, on a machine that has much else to do."""


def asking(address: str, segment_id: int = 4097, **fields: object) -> AssignedNic:
    """A NIC on a Network with metadata."""
    return nic(segment_id, address, **{"metadata": "Enabled"} | fields)


def ordered(
    uid: str, name: str, nics: Sequence[AssignedNic], keys: Sequence[tuple[str, str]]
) -> AssignmentSpec:
    listed: list[dict[str, Any]] = [{"name": key, "publicKey": text} for key, text in keys]
    said = {
        "instance": {"namespace": "demo", "name": name, "uid": uid}, "vcpus": 1, "memoryBytes": 1 << 27,
        "rootDiskBytes": 0, "publicKeys": listed, "nics": [each.wire() for each in nics],
    }  # fmt: skip
    return AssignmentSpec.model_validate(said)


def known_guest(
    uid: str,
    name: str,
    address: str,
    *,
    user_data: bytes = b"",
    keys: Sequence[tuple[str, str]] = (),
    second: bool = False,
) -> Guest:
    nics = [asking(address, dns=["192.0.2.53"])]
    if second:
        still = {
            "dhcp": "Disabled",
            "name": "eth1",
            "routes": [{"destination": "10.20.0.0/16", "via": "10.10.0.9"}],
        }
        nics.append(asking("10.10.0.99", 4098, **still))
    return Guest.of(ordered(uid, name, nics, keys), user_data)


def known_guest6(mode: str = "DHCPv6", **fields: object) -> Guest:
    """One whose NIC has IPv6, alone where nothing else is said."""
    ipv6 = {
        "address": "fd00:10::14", "cidr": "fd00:10::/64", "gateway": "fd00:10::1", "mode": mode,
        "dns": ["fd00:10::53"],
    }  # fmt: skip
    alone: dict[str, object] = {"addresses": [], "cidr": None, "gateway": None}
    return Guest.of(ordered("uid-6", "web-6", [asking("10.10.0.20", ipv6=ipv6, **alone | fields)], []), b"")


class Asking(http.client.HTTPConnection):
    """HTTP by a guest's own stack."""

    def __init__(self, stack: Stack, seconds: float = PATIENT, to: str = ADDRESS) -> None:
        super().__init__(to, 80)
        self._stack, self._seconds = stack, seconds

    def connect(self) -> None:
        made = self._stack.connect(self.host, 80, self._seconds)
        if made is None:
            raise TimeoutError
        if self._seconds >= PATIENT:
            made.settimeout(_STARTS)
        self.sock = made


def ask(stack: Stack, path: str, method: str = "GET", to: str = ADDRESS, **headers: str) -> tuple[int, str]:
    """Status and content."""
    connection = Asking(stack, to=to)
    connection.request(
        method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    said = connection.getresponse()
    found = said.status, said.read().decode()
    connection.close()
    return found
