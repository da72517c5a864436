"""Guests that come to their IPv6 address, and ask for one by DHCPv6."""

import contextlib
import json
import socket
import time

from orlop_api.assignment import AssignedNic
from support.stack import Stack

SOLICIT = r"""
import os, socket, struct, sys
mac = bytes.fromhex(open("/sys/class/net/eth0/address").read().strip().replace(":", ""))
made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
made.bind(("::", 546))
made.settimeout(3)
def option(code, data):
    return struct.pack("!HH", code, len(data)) + data
own = option(1, struct.pack("!HH", 3, 1) + mac)
asked = option(3, b"\0\0\0\1" + bytes(8)) + option(6, struct.pack("!H", 23)) + option(8, b"\0\0")
def ask(kind, more=b""):
    number = os.urandom(3)
    for _ in range(4):
        made.sendto(bytes([kind]) + number + own + asked + more, ("ff02::1:2", 547, 0, socket.if_nametoindex("eth0")))
        try:
            answer = made.recv(2000)
        except TimeoutError:
            continue
        if answer[1:4] == number:
            return answer
    sys.exit("nobody answers")
def options(data):
    found = {}
    while data:
        code, length = struct.unpack("!HH", data[:4])
        found[code], data = data[4:4 + length], data[4 + length:]
    return found
offer = options(ask(1)[4:])
got = options(ask(3, option(2, offer[2]))[4:])
address = options(got[3][12:])[5][:16]
print(socket.inet_ntop(socket.AF_INET6, address), socket.inet_ntop(socket.AF_INET6, got[23]), offer[2].hex())
"""


def address6(of: AssignedNic) -> str:
    assert of.ipv6 is not None
    return of.ipv6.address


def has(stack: Stack, seconds: float = 20.0) -> list[str]:
    """Global addresses of the guest, once it has one and all that it has, the link-local one too, can be used."""
    end = time.monotonic() + seconds
    changes = stack.socket(socket.SOCK_RAW, family=socket.AF_NETLINK)
    changes.bind((0, _CHANGES))
    while True:
        found = json.loads(stack.run("ip", "-j", "-6", "address", "show", "dev", "eth0"))
        scopes = {a["local"]: a["scope"] for each in found for a in each.get("addr_info", ()) if "local" in a}
        wide = [address for address, scope in scopes.items() if scope == "global"]
        if wide and scopes.keys() <= _led_to(stack):
            return wide
        if (left := end - time.monotonic()) <= 0:
            return []
        changes.settimeout(left)
        with contextlib.suppress(TimeoutError):
            changes.recv(1 << 16)


_CHANGES = 0x100 | 0x400
"""RTMGRP_IPV6_IFADDR and RTMGRP_IPV6_ROUTE of rtnetlink(7)."""


def _led_to(stack: Stack) -> set[str]:
    """What the kernel takes for the guest's own: an address comes here after it is found to be nobody else's, and one
    that nobody is asked about a moment after it was given. Before, what is sent to it is lost.
    """
    return {
        route["dst"] for route in json.loads(stack.run("ip", "-j", "-6", "route", "show", "table", "local"))
    }
