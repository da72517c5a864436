"""A guest at the end of a wire, one frame at a time."""

import itertools
import struct
from collections.abc import Callable, Sequence

from orlop_agent.network.adapter import Networks
from orlop_api.assignment import AssignedNic
from orlop_api.nic_addresses import addresses_of
from support import frames, questions
from support.fakenode import FakeNode, Wire, start

_numbers = itertools.count(1)
_SAYS_FROM = 4000
_DNS_TO_US = struct.pack("!HH", 53, _SAYS_FROM)


class Speaker:
    """A guest with one NIC."""

    def __init__(self, wire: Wire, nic: AssignedNic) -> None:
        self.wire = wire
        self.mac = nic.mac_address
        self.address = addresses_of(nic)[0]
        self.gateway = nic.gateway or ""

    @classmethod
    async def start(cls, networks: Networks, node: FakeNode, uid: str, nic: AssignedNic) -> "Speaker":
        (wire,) = await start(networks, node, uid, [nic])
        return cls(wire, nic)

    def who_has(self, address: str, seconds: float = 2.0) -> str | None:
        """The MAC that is answered for an address."""
        self.wire.send(frames.arp(frames.REQUEST, self.mac, self.address, address))
        frame = self.wire.receive(lambda frame: frames.is_arp_reply(frame, address), seconds)
        return frames.answered_mac(frame) if frame else None

    def ping(self, address: str, by: str | None = None, seconds: float = 2.0) -> bool:
        """Whether an address answers; `by`: the MAC to send to, the gateway's when absent."""
        to_mac = by or self.who_has(self.gateway)
        assert to_mac
        number = next(_numbers)
        echo = frames.echo_request(number)
        self.wire.send(frames.ipv4(self.mac, to_mac, self.address, address, frames.ICMP, echo))

        return self._receive(lambda frame: frames.is_echo_reply(frame, number), seconds) is not None

    def ask_dns(self, message: bytes, at: str | None = None, seconds: float = 3.0) -> questions.Answer | None:
        """What the name server at an address says, the gateway's when absent; None when nothing."""
        to_mac = self.who_has(self.gateway)
        assert to_mac
        self.say(to_mac, at or self.gateway, 53, message)

        def said(frame: bytes) -> questions.Answer | None:
            is_answer = frame[12:14] == b"\x08\0" and frame[23] == frames.UDP and frame[34:38] == _DNS_TO_US
            return questions.answer(frame[42:]) if is_answer else None

        frame = self._receive(lambda frame: said(frame) is not None, seconds)
        return said(frame) if frame else None

    def _receive(self, wanted: Callable[[bytes], bool], seconds: float) -> bytes | None:
        """The next frame that is wanted; the gateway asks who we are before it answers."""

        def looked_at(frame: bytes) -> bool:
            if (
                frame[12:14] == b"\x08\x06"
                and frame[20:22] == b"\0\1"
                and frame[38:42] == _packed(self.address)
            ):
                asker = frames.answered_mac(frame)
                own = frames.arp(frames.REPLY, self.mac, self.address, self.gateway, to=asker)
                self.wire.send(own)
            return wanted(frame)

        return self.wire.receive(looked_at, seconds)

    def say(self, to_mac: str, address: str, port: int, text: bytes) -> None:
        datagram = frames.udp(_SAYS_FROM, port, text)
        self.wire.send(frames.ipv4(self.mac, to_mac, self.address, address, frames.UDP, datagram))

    def hears(self, text: bytes, seconds: float = 2.0) -> bool:
        return self.wire.receive(lambda frame: text in frame, seconds) is not None

    def ask_dhcp(
        self, kind: int, *, has: str = "0.0.0.0", asked: Sequence[int] = frames.ASKED, options: bytes = b""
    ) -> tuple[str, dict[int, bytes]] | None:
        """What the DHCP server says: an address and its options."""
        message = frames.dhcp(kind, self.mac, has=has, asked=asked, options=options)
        renews = has != "0.0.0.0"
        to_mac = self.who_has(self.gateway) if renews else frames.BROADCAST
        assert to_mac
        to = self.gateway if renews else "255.255.255.255"
        self.wire.send(frames.ipv4(self.mac, to_mac, has, to, frames.UDP, message))
        frame = self.wire.receive(lambda frame: frames.lease(frame) is not None)
        return frames.lease(frame) if frame else None


def _packed(address: str) -> bytes:
    return bytes(int(octet) for octet in address.split("."))
