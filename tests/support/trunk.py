"""Who is on a physical network and no guest: machines there, one frame at a time, with the tag that it has."""

import select
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from orlop_agent.network.inside import made_inside
from orlop_api.assignment import AssignedNic
from support import frames
from support.fakenode import FakeNode, nic

_SOL_PACKET, _AUXDATA, _TAG_VALID = 263, 8, 0x10


class Trunk:
    """A port of the fabric, where every tag comes out; 10.10.0.1 is a router here."""

    def __init__(self, fabric: FakeNode, bridge: str = "fabric") -> None:
        self._wire = f"out-{bridge[:10]}"
        port = f"p{self._wire}"
        fabric.run("ip", "link", "add", self._wire, "type", "veth", "peer", "name", port)
        fabric.run("ip", "link", "set", port, "master", bridge, "up")
        fabric.run("ip", "link", "set", self._wire, "addrgenmode", "none", "up")
        self._socket = made_inside(Path(f"/proc/{fabric.pid}/ns/net"), self._made)

    def _made(self) -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        made.setsockopt(_SOL_PACKET, _AUXDATA, 1)
        made.bind((self._wire, 3))
        return made

    def send(self, frame: bytes, vlan: int | None = None) -> None:
        tag = b"" if vlan is None else struct.pack("!HH", 0x8100, vlan)
        self._socket.send(frame[:12] + tag + frame[12:])

    def receive(self, wanted: Callable[[int | None, bytes], bool], seconds: float = 2.0) -> bytes | None:
        """The next frame that is wanted, without its tag; None when the time is over."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._socket], [], [], left)[0]:
                return None
            frame, more, _, address = self._socket.recvmsg(65536, 64)
            if address[2] != socket.PACKET_OUTGOING and wanted(_tag(more), frame):
                return bytes(frame)
        return None

    def everything(self, seconds: float = 0.5) -> list[tuple[int | None, bytes]]:
        """All that comes in this time, with tags."""
        seen: list[tuple[int | None, bytes]] = []
        self.receive(lambda tag, frame: seen.append((tag, frame)) is not None, seconds)
        return seen

    def close(self) -> None:
        self._socket.close()


def _tag(more: list[tuple[int, int, bytes]]) -> int | None:
    for level, kind, data in more:
        if (level, kind) == (_SOL_PACKET, _AUXDATA):
            status, _, _, _, _, tci, _ = struct.unpack("IIIHHHH", data)
            return tci & 0xFFF if status & _TAG_VALID else None
    return None


def on_vlan(segment_id: int, address: str, vlan: int | None, /, **fields: object) -> AssignedNic:
    """A NIC of a VLAN or Bridge Network, as the operator would resolve it."""
    network = "lab" if vlan is None else "public"
    usual: dict[str, object] = {
        "physical": {"network": network, "vlanID": vlan}, "egress": "None", "mtu": 1500,
    }  # fmt: skip
    return nic(segment_id, address, **(usual | fields))


def is_from(mac: str) -> Callable[[bytes], bool]:
    return lambda frame: frame[6:12] == frames.raw_mac(mac)
