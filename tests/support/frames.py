"""Ethernet frames made by hand, right ones and forged ones, and what matters of those that come back."""

import socket
import struct
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address

BROADCAST = "ff:ff:ff:ff:ff:ff"
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
ICMP, TCP, UDP = 1, 6, 17
REQUEST, REPLY = 1, 2
DISCOVER, OFFER, DHCP_REQUEST, ACK = 1, 2, 3, 5
ASKED = (1, 3, 6, 12, 15, 26, 42, 119, 121)
_COOKIE = bytes.fromhex("63825363")


def raw_mac(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def ethernet(source: str, destination: str, kind: int, payload: bytes) -> bytes:
    return raw_mac(destination) + raw_mac(source) + struct.pack("!H", kind) + payload.ljust(46, b"\0")


def arp(
    operation: int, mac: str, address: str, wanted: str, *, sender: str | None = None, to: str = BROADCAST
) -> bytes:
    """`sender`: the MAC in the message, when it is not the frame's."""
    target = "00:00:00:00:00:00" if to == BROADCAST else to
    message = struct.pack("!HHBBH", 1, IPV4, 6, 4, operation)
    message += raw_mac(sender or mac) + socket.inet_aton(address) + raw_mac(target) + socket.inet_aton(wanted)
    return ethernet(mac, to, ARP, message)


def is_arp_reply(frame: bytes, address: str) -> bool:
    """Whether it says who has the address."""
    return (
        frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2" and frame[28:32] == socket.inet_aton(address)
    )


def answered_mac(frame: bytes) -> str:
    return frame[22:28].hex(":")


def _checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(
    mac: str,
    to_mac: str,
    source: str,
    destination: str,
    protocol: int,
    payload: bytes,
    *,
    options: bytes = b"",
) -> bytes:
    """`options` in whole words of 4 bytes."""
    length = 20 + len(options)
    header = struct.pack("!BBHHHBBH", 0x40 | length // 4, 0, length + len(payload), 1, 0, 64, protocol, 0)
    header += socket.inet_aton(source) + socket.inet_aton(destination) + options
    return ethernet(mac, to_mac, IPV4, _summed(header) + payload)


def _summed(header: bytes) -> bytes:
    unsummed = header[:10] + b"\0\0" + header[12:]
    return header[:10] + struct.pack("!H", _checksum(unsummed)) + header[12:]


def changed(frame: bytes, bytes_at: Mapping[int, bytes]) -> bytes:
    """With other bytes behind the Ethernet header; the sum of an IPv4 header that is whole is right again."""
    made = bytearray(frame)
    for at, new in bytes_at.items():
        made[14 + at : 14 + at + len(new)] = new
    length = (made[14] & 15) * 4
    if made[12:14] == b"\x08\0" and length >= 20:
        made[14 : 14 + length] = _summed(bytes(made[14 : 14 + length]))
    return bytes(made)


def icmp(kind: int, body: bytes) -> bytes:
    """Any message of ICMP, with `body` behind the first 4 bytes."""
    message = bytes([kind, 0, 0, 0]) + body
    return message[:2] + struct.pack("!H", _checksum(message)) + message[4:]


def udp(source_port: int, destination_port: int, payload: bytes) -> bytes:
    """Without a checksum, which UDP over IPv4 allows (RFC 768)."""
    return struct.pack("!HHHH", source_port, destination_port, 8 + len(payload), 0) + payload


def echo_request(number: int) -> bytes:
    message = struct.pack("!BBHHH", 8, 0, 0, 7, number) + bytes(32)
    return message[:2] + struct.pack("!H", _checksum(message)) + message[4:]


def is_echo_reply(frame: bytes, number: int) -> bool:
    return (
        frame[12:14] == b"\x08\x00"
        and frame[23] == ICMP
        and frame[34] == 0
        and frame[40:42] == struct.pack("!H", number)
    )


def dhcp(
    kind: int, mac: str, *, has: str = "0.0.0.0", asked: Sequence[int] = ASKED, options: bytes = b""
) -> bytes:
    """What a client sends: by broadcast, or by a guest that `has` an address to the gateway."""
    message = struct.pack("!BBBBIHH", 1, 1, 6, 0, 0x4F524C50, 0, 0)
    message += socket.inet_aton(has) + bytes(12) + raw_mac(mac).ljust(16, b"\0") + bytes(192)
    message += _COOKIE + bytes([53, 1, kind, 55, len(asked), *asked]) + options + b"\xff"
    return udp(68, 67, message.ljust(300, b"\0"))


def requested(address: str) -> bytes:
    return bytes([50, 4]) + socket.inet_aton(address)


def lease(frame: bytes) -> tuple[str, dict[int, bytes]] | None:
    """Address and options of a DHCP server's message; None for any other frame."""
    if frame[12:14] != b"\x08\x00" or frame[23] != UDP or frame[34:38] != b"\0\x43\0\x44":
        return None
    message = frame[42:]
    options = _options(message[240:])
    lent = options.get(52, b"\0")[0]
    # RFC 2131, section 4.1: the fields file and sname may hold options too.
    options |= _options(message[108:236]) if lent & 1 else {}
    options |= _options(message[44:108]) if lent & 2 else {}
    return str(IPv4Address(message[16:20])), options


def _options(rest: bytes) -> dict[int, bytes]:
    options: dict[int, bytes] = {}
    while rest and rest[0] != 255:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        options[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    return options
