"""Ways from guest to guest: Orlop's with everything on, and the same two taps on a bare bridge or a bare VXLAN."""

from __future__ import annotations

import fcntl
import statistics
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from orlop_agent.network import names
from orlop_api.assignment import AssignedNic
from support import frames
from support.fakenode import FakeNode, Wire
from support.guarded import Cloud
from support.guarding import guarded
from support.stack import Stack

SOURCE = Path(__file__).with_name("path.c")
_BARE = "bare"
_SET_OFFLOAD = 0x400454D0
_OFFLOADS = 0x1 | 0x2 | 0x4
"""Checksums and TCP segments of both families (linux/if_tun.h), as QEMU asks for with virtio."""
_PORT = 5001


def build(directory: Path) -> Path:
    """What measures."""
    built = directory / "path"
    subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-o", built, SOURCE], check=True)
    return built


@dataclass
class Way:
    """Two guests that reach each other."""

    here: Stack
    there: Stack

    def __post_init__(self) -> None:
        for each in (self.here, self.there):
            fcntl.ioctl(each.wire.tap, _SET_OFFLOAD, _OFFLOADS)
            fcntl.ioctl(each.tap, _SET_OFFLOAD, _OFFLOADS)
        listener = self.there.listen(_PORT)
        began = self.here.connect(self.there.address, _PORT)
        assert began is not None
        self.connection = (began, self.there.accept(listener))
        for made in self.connection:
            made.setblocking(False)
        for each in (self.here, self.there):
            each.let_go()

    @property
    def descriptors(self) -> list[int]:
        ends = (self.here, self.there)
        taps = [*(each.wire.tap for each in ends), *(each.tap for each in ends)]
        return [*taps, *(made.fileno() for made in self.connection)]

    def pair(self, size: int) -> bytes:
        """A frame there and one back, with UDP in it."""
        return self._frame(self.here, self.there, size) + self._frame(self.there, self.here, size)

    @staticmethod
    def _frame(sender: Stack, receiver: Stack, size: int) -> bytes:
        datagram = frames.udp(7, 7, bytes(size - 42))
        made = frames.ipv4(sender.mac, receiver.mac, sender.address, receiver.address, frames.UDP, datagram)
        return len(made).to_bytes(2, "little") + made


@dataclass(frozen=True)
class Compared:
    """Nanoseconds for the same, round by round."""

    bare: Sequence[int]
    ours: Sequence[int]

    @property
    def milliseconds(self) -> tuple[float, float]:
        """Medians."""
        return statistics.median(self.bare) / 1e6, statistics.median(self.ours) / 1e6

    @property
    def ratio(self) -> float:
        """Of speed, 1 where Orlop costs nothing: the median of what the rounds say."""
        return statistics.median(bare / ours for bare, ours in zip(self.bare, self.ours, strict=True))


def compare(
    program: Path, kind: str, rounds: int, amount: int, bare: Way, ours: Way, size: int = 0
) -> Compared:
    """Both ways in turn, in one run; see path.c for the kinds. Frames of this size, where it needs frames."""
    ways = (bare, ours)
    command = [str(program), kind, str(rounds), str(amount)]
    command += [",".join(map(str, way.descriptors)) for way in ways]
    given = b"".join(way.pair(size) for way in ways) if size else b""
    passed = [descriptor for way in ways for descriptor in way.descriptors]
    done = subprocess.run(command, input=given, capture_output=True, pass_fds=passed, check=False)
    assert done.returncode == 0, done.stderr.decode()
    said = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    return Compared(*([took for number, took in said if number == which] for which in (0, 1)))


def bare_network(node: FakeNode, peer: FakeNode) -> None:
    """A bridge and a VXLAN between two nodes, in a namespace as Orlop has it, and nothing else."""
    node.run("ip", "netns", "add", _BARE)
    node.run(
        *f"ip link add vx0 mtu 1450 netns {_BARE} type vxlan id 7 dstport 4789"
        f" local {node.address} remote {peer.address}".split()
    )
    inside = ["ip", "netns", "exec", _BARE]
    node.run(*inside, "sh", "-ec", "cd /proc/sys/net; echo 1 > ipv6/conf/default/disable_ipv6")
    # What is bridged is not shown to anybody: that is how a bare bridge is fastest.
    off = "cd /proc/sys/net/bridge; for each in bridge-nf-call-*tables; do echo 0 > $each; done"
    node.run(*inside, "sh", "-ec", off)
    for line in ("link add br0 mtu 1450 type bridge mcast_snooping 0", "link set br0 up"):
        node.run(*inside, "ip", *line.split())
    node.run(*inside, "ip", "link", "set", "vx0", "master", "br0", "up")


def bare_guest(node: FakeNode, name: str, nic: AssignedNic) -> Stack:
    """A guest whose tap is on that bridge."""
    tap = names.tap(name, nic.name)
    node.run("ip", "tuntap", "add", "dev", tap, "mode", "tap", "vnet_hdr")
    wire = Wire(node, tap)
    node.run("ip", "link", "set", tap, "mtu", str(nic.mtu), "netns", _BARE)
    node.run("ip", "netns", "exec", _BARE, "ip", "link", "set", tap, "master", "br0", "up")
    return Stack(wire, nic)


async def our_way(cloud: Cloud, other: int, *groups: str) -> Way:
    """From a guest on the first node to one there or on the second, in these groups."""
    low = 20 + 2 * other + (4 if groups else 0)
    here = await cloud.start(f"here-{low}", 0, low, *groups)
    there = await cloud.start(f"there-{low}", other, low + 1, *groups)
    return Way(here, there)


def bare_way(nodes: Sequence[FakeNode], close: ExitStack, other: int) -> Way:
    """The same without Orlop."""
    ends = []
    for at, low in ((0, 20 + 2 * other), (other, 21 + 2 * other)):
        ends.append(bare_guest(nodes[at], f"bare-{low}", guarded(f"10.10.0.{low}")))
        close.callback(ends[-1].close)
    return Way(*ends)
