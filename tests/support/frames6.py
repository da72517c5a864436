"""IPv6 frames made by hand, right ones and forged ones."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

from support import frames

ICMPV6, UDP = 58, 17
RA, NS, NA, REDIRECT = 134, 135, 136, 137
ALL_NODES = "ff02::1"


def packed(address: str) -> bytes:
    return IPv6Address(address).packed


def _checksum(source: str, destination: str, kind: int, payload: bytes) -> int:
    data = packed(source) + packed(destination) + struct.pack("!IHBB", len(payload), 0, 0, kind) + payload
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv6(mac: str, to_mac: str, source: str, destination: str, kind: int, payload: bytes) -> bytes:
    header = struct.pack("!IHBB", 6 << 28, len(payload), kind, 255) + packed(source) + packed(destination)
    return frames.ethernet(mac, to_mac, frames.IPV6, header + payload)


def icmp(mac: str, to_mac: str, source: str, destination: str, kind: int, body: bytes) -> bytes:
    """With the checksum that receivers look at (RFC 4443, section 2.3)."""
    message = struct.pack("!BBH", kind, 0, 0) + body
    sum_ = struct.pack("!H", _checksum(source, destination, ICMPV6, message))
    return ipv6(mac, to_mac, source, destination, ICMPV6, message[:2] + sum_ + message[4:])


def udp(
    mac: str, to_mac: str, source: str, destination: str, ports: tuple[int, int], payload: bytes
) -> bytes:
    message = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    sum_ = struct.pack("!H", _checksum(source, destination, UDP, message))
    return ipv6(mac, to_mac, source, destination, UDP, message[:6] + sum_ + message[8:])


def discovery(
    mac: str, to_mac: str, source: str, destination: str, kind: int, target: str, more: bytes = b""
) -> bytes:
    """A neighbour solicitation or advertisement (RFC 4861, sections 4.3 and 4.4)."""
    flags = 0x60000000 if kind == NA else 0
    return icmp(mac, to_mac, source, destination, kind, struct.pack("!I", flags) + packed(target) + more)


def link_layer(option: int, mac: str) -> bytes:
    """1 of who asks, 2 of who is asked about (RFC 4861, section 4.6.1)."""
    return bytes([option, 1]) + frames.raw_mac(mac)
