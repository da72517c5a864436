"""What a guest may try against its neighbours: frames made by hand, each with what it is to be dropped for."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from support import frames

SECRET = b"forged-by-the-guest"
"""In every forged frame whose form leaves room for it."""
OTHER = "02:00:10:01:00:63"
"""Nobody's MAC."""
_DATA = frames.udp(1000, 2000, SECRET)


@dataclass(frozen=True)
class Who:
    """One NIC, as its neighbours know it."""

    mac: str
    address: str


@dataclass(frozen=True)
class Scene:
    """Who attacks whom, and where."""

    me: Who
    you: Who
    gateway: Who
    nobody: str
    """An address of the subnet that is nobody's."""

    def ip(self, payload: bytes, protocol: int = frames.UDP, **other: str) -> bytes:
        """From me to you, but for what is said otherwise."""
        return frames.ipv4(
            other.get("mac", self.me.mac),
            other.get("to_mac", self.you.mac),
            other.get("source", self.me.address),
            other.get("to", self.you.address),
            protocol,
            payload,
        )

    def raw(self, kind: int, payload: bytes) -> bytes:
        return frames.ethernet(self.me.mac, self.you.mac, kind, payload.ljust(64, b"\0"))

    def reply(self, address: str, sender: str | None = None) -> bytes:
        """ARP that says to you: I have this address."""
        return frames.arp(
            frames.REPLY, self.me.mac, address, self.you.address, to=self.you.mac, sender=sender
        )

    def ask(self, address: str, wanted: str, sender: str | None = None) -> bytes:
        """ARP to all."""
        return frames.arp(frames.REQUEST, self.me.mac, address, wanted, sender=sender)

    def to_bridge(self, last: int, mac: str | None = None) -> bytes:
        """To an address that no bridge forwards (IEEE 802.1Q, 8.6.3)."""
        return frames.ethernet(
            mac or self.me.mac, f"01:80:c2:00:00:{last:02x}", 0x88CC, SECRET.ljust(64, b"\0")
        )

    def dhcp(self, chaddr: str, *, relayed: bool = False, source: str = "0.0.0.0") -> bytes:
        """A client's question, in the name of whoever."""
        datagram = bytearray(frames.dhcp(frames.DISCOVER, chaddr))
        if relayed:
            datagram[8 + 24 : 8 + 28] = bytes([10, 10, 0, 1])
        to = {"to_mac": frames.BROADCAST, "to": "255.255.255.255"}
        if source != "0.0.0.0":
            to = {"to_mac": self.gateway.mac, "to": self.gateway.address}
        return self.ip(bytes(datagram), source=source, **to)

    def icmpv6(self, kind: int, to: str = "33:33:00:00:00:01") -> bytes:
        """Neighbour discovery and its like, from a link-local address to all nodes."""
        message = bytes([kind, 0, 0, 0]) + SECRET.ljust(28, b"\0")
        head = struct.pack("!IHBB", 6 << 28, len(message), 58, 255)
        addresses = bytes.fromhex("fe80000000000000000000fffe000001ff020000000000000000000000000001")
        return frames.ethernet(self.me.mac, to, frames.IPV6, head + addresses + message)

    def udpv6(self, source: int, to: int) -> bytes:
        message = struct.pack("!HHHH", source, to, 8 + len(SECRET), 1) + SECRET
        head = struct.pack("!IHBB", 6 << 28, len(message), 17, 255)
        addresses = bytes.fromhex("fe80000000000000000000fffe000001ff020000000000000000000000000001")
        return frames.ethernet(self.me.mac, "33:33:00:00:00:01", frames.IPV6, head + addresses + message)

    def icmp(self, kind: int) -> bytes:
        """With somebody's header in it, as errors and redirects have it."""
        return self.ip(frames.icmp(kind, SECRET.ljust(28, b"\0")), frames.ICMP)

    def with_options(self, options: bytes) -> bytes:
        return frames.ipv4(
            self.me.mac, self.you.mac, self.me.address, self.you.address, frames.UDP, _DATA, options=options
        )

    def fragment(self, payload: bytes, offset: int, *, more: bool, **other: str) -> bytes:
        """A piece of a datagram; `offset` in units of 8 bytes."""
        return frames.changed(self.ip(payload, **other), {6: (offset | (0x2000 if more else 0)).to_bytes(2)})


Forge = Callable[[Scene], bytes]
ATTACKS: dict[str, tuple[str, Forge]] = {
    "another MAC": ("forged_mac", lambda s: s.ip(_DATA, mac=OTHER)),
    "the victim's MAC": ("forged_mac", lambda s: s.ip(_DATA, mac=s.you.mac)),
    "the gateway's MAC": ("forged_mac", lambda s: s.ip(_DATA, mac=s.gateway.mac, source=s.gateway.address)),
    "LLDP with the victim's MAC": ("forged_mac", lambda s: s.to_bridge(0x0E, s.you.mac)),
    "nobody's address": ("forged_address", lambda s: s.ip(_DATA, source=s.nobody)),
    "the victim's address": ("forged_address", lambda s: s.ip(_DATA, source=s.you.address)),
    "the gateway's address": ("forged_address", lambda s: s.ip(_DATA, source=s.gateway.address)),
    "a broadcast address": ("forged_address", lambda s: s.ip(_DATA, source="255.255.255.255")),
    "no address but no DHCP": ("forged_address", lambda s: s.ip(_DATA, source="0.0.0.0")),
    "a later fragment from the victim's address": (
        "forged_address",
        lambda s: s.fragment(SECRET.ljust(24, b"\0"), 2, more=False, source=s.you.address),
    ),
    "ARP for nobody's address": ("forged_arp", lambda s: s.reply(s.nobody)),
    "ARP for the victim's address": ("forged_arp", lambda s: s.reply(s.you.address)),
    "ARP for the gateway": ("forged_arp", lambda s: s.reply(s.gateway.address)),
    "gratuitous ARP for the gateway": ("forged_arp", lambda s: s.ask(s.gateway.address, s.gateway.address)),
    "gratuitous ARP for the victim": ("forged_arp", lambda s: s.ask(s.you.address, s.you.address)),
    "ARP with another MAC in it": ("forged_arp", lambda s: s.reply(s.me.address, OTHER)),
    "an ARP probe with another MAC in it": ("forged_arp", lambda s: s.ask("0.0.0.0", s.you.address, OTHER)),
    "an ARP probe for the victim's address": ("forged_arp", lambda s: s.ask("0.0.0.0", s.you.address)),
    "an ARP probe for the gateway": ("forged_arp", lambda s: s.ask("0.0.0.0", s.gateway.address)),
    "ARP of another hardware": (
        "forged_arp",
        lambda s: frames.changed(s.ask(s.me.address, s.you.address), {0: b"\0\6"}),
    ),
    "a DHCP server's answer": (
        "rogue_dhcp",
        lambda s: s.ip(frames.udp(67, 68, SECRET), to_mac=frames.BROADCAST, to="255.255.255.255"),
    ),
    "a DHCP server's answer from another port": (
        "rogue_dhcp",
        lambda s: s.ip(frames.udp(1067, 68, SECRET)),
    ),
    "a DHCP server's answer in fragments": (
        "rogue_dhcp",
        lambda s: s.fragment(frames.udp(67, 68, SECRET.ljust(24, b"\0")), 0, more=True),
    ),
    "a DHCPv6 server's answer": ("rogue_dhcp", lambda s: s.udpv6(547, 546)),
    "DHCP in the name of another": ("forged_dhcp", lambda s: s.dhcp(OTHER)),
    "DHCP in the name of the victim": ("forged_dhcp", lambda s: s.dhcp(s.you.mac)),
    "a renewal in the name of the victim": (
        "forged_dhcp",
        lambda s: s.dhcp(s.you.mac, source=s.me.address),
    ),
    "DHCP as a relay": ("forged_dhcp", lambda s: s.dhcp(s.me.mac, relayed=True)),
    "DHCP in fragments": (
        "forged_dhcp",
        lambda s: s.fragment(frames.dhcp(frames.DISCOVER, s.me.mac)[:48], 0, more=True, source="0.0.0.0"),
    ),
    "ICMP redirect": ("rogue_router", lambda s: s.icmp(5)),
    "ICMP router advertisement": ("rogue_router", lambda s: s.icmp(9)),
    "IPv6 router advertisement": ("rogue_router", lambda s: s.icmpv6(134)),
    "IPv6 redirect": ("rogue_router", lambda s: s.icmpv6(137)),
    "IPv6 neighbour solicitation": ("ipv6", lambda s: s.icmpv6(135)),
    "IPv6 neighbour advertisement": ("ipv6", lambda s: s.icmpv6(136)),
    "IPv6": ("ipv6", lambda s: s.raw(frames.IPV6, b"\x60" + bytes(39) + SECRET)),
    "a VLAN tag": ("vlan", lambda s: s.raw(0x8100, b"\0\5\x08\0" + s.ip(_DATA)[14:])),
    "a VLAN tag of priority alone": ("vlan", lambda s: s.raw(0x8100, b"\xe0\0\x08\0" + s.ip(_DATA)[14:])),
    "a VLAN tag before TCP": ("vlan", lambda s: s.raw(0x8100, b"\0\5\x08\0" + s.ip(SECRET, frames.TCP)[14:])),
    "a provider's VLAN tag": ("vlan", lambda s: s.raw(0x88A8, b"\0\5\x81\0\0\5\x08\0" + s.ip(_DATA)[14:])),
    "a spanning tree": (
        "link_control",
        lambda s: frames.ethernet(s.me.mac, "01:80:c2:00:00:00", 38, b"\x42\x42\x03" + SECRET),
    ),
    "LACP": ("link_control", lambda s: s.to_bridge(2)),
    "LLDP": ("link_control", lambda s: s.to_bridge(0x0E)),
    "IPv4 to where LLDP goes": ("link_control", lambda s: s.ip(_DATA, to_mac="01:80:c2:00:00:0e")),
    "for one, sent to all": ("misdirected", lambda s: s.ip(_DATA, to_mac=frames.BROADCAST)),
    "for one, sent to many": ("misdirected", lambda s: s.ip(_DATA, to_mac="01:00:5e:00:00:01")),
    "a loose source route": (
        "source_route",
        lambda s: s.with_options(b"\x83\x07\x04\x0a\x0a\x00\x63\x00"),
    ),
    "a strict source route": (
        "source_route",
        lambda s: s.with_options(b"\x89\x07\x04\x0a\x0a\x00\x63\x00"),
    ),
    "a header of another version": ("malformed", lambda s: frames.changed(s.ip(_DATA), {0: b"\x55"})),
    "a header shorter than any": ("malformed", lambda s: frames.changed(s.ip(_DATA), {0: b"\x44"})),
    "longer than it is": ("malformed", lambda s: frames.changed(s.ip(_DATA), {2: b"\x20\0"})),
    "larger than the MTU": (
        "oversized",
        lambda s: s.ip(frames.icmp(8, SECRET + bytes(2000)), frames.ICMP),
    ),
    "MPLS": ("other_protocol", lambda s: s.raw(0x8847, SECRET)),
    "PPPoE": ("other_protocol", lambda s: s.raw(0x8863, SECRET)),
    "RARP": ("other_protocol", lambda s: s.raw(0x8035, SECRET)),
    "IEEE 802.1X": ("other_protocol", lambda s: s.raw(0x888E, SECRET)),
    "IPv4 in SNAP": ("other_protocol", lambda s: s.raw(64, b"\xaa\xaa\3\0\0\0\x08\0" + s.ip(_DATA)[14:])),
}

SILENT: dict[str, Forge] = {
    "from a MAC for many": lambda s: s.ip(_DATA, mac="03:00:10:01:00:63"),
    "flow control": lambda s: s.to_bridge(1),
    "flow control with the victim's MAC": lambda s: s.to_bridge(1, s.you.mac),
}
"""Linux' bridge drops these before anybody may count them."""
