"""DNS by hand (RFC 1035): a question as a datagram, and what of the answer matters."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

A, PTR, TXT = 1, 12, 16
IN, CHAOS = 1, 3
NO_ERROR, NO_SUCH_NAME, REFUSED = 0, 3, 5


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    found: tuple[str, ...] = ()
    """Addresses and names, sorted."""


def question(name: str, kind: int = A, *, number: int = 7, of: int = IN) -> bytes:
    """Recursion is wanted, as every guest's library asks."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label)
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, of)


def reverse(address: str) -> bytes:
    return question(IPv4Address(address).reverse_pointer, PTR)


def answer(message: bytes, number: int = 7) -> Answer | None:
    """None where it is no answer to that question."""
    if len(message) < 12:
        return None
    found_number, flags, asked, answers, _, _ = struct.unpack("!6H", message[:12])
    if found_number != number or not flags & 0x8000:
        return None
    position = 12
    for _ in range(asked):
        position = _name(message, position)[1] + 4
    found = []
    for _ in range(answers):
        position = _name(message, position)[1]
        kind, _, _, length = struct.unpack("!HHIH", message[position : position + 10])
        position += 10
        if kind == A:
            found.append(socket.inet_ntoa(message[position : position + 4]))
        elif kind == PTR:
            found.append(_name(message, position)[0])
        position += length
    return Answer(flags & 15, tuple(sorted(found)))


def _name(message: bytes, position: int) -> tuple[str, int]:
    """The name there, and what comes after it."""
    labels: list[str] = []
    end = 0
    while message[position]:
        if message[position] >= 0xC0:
            end = end or position + 2
            position = struct.unpack("!H", message[position : position + 2])[0] & 0x3FFF
            continue
        labels.append(message[position + 1 : position + 1 + message[position]].decode())
        position += 1 + message[position]
    return ".".join(labels), end or position + 1
