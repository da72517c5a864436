"""Guests that measure the way to each other, and their taps on a bare network in between."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from orlop_agent.network import names
from support.lab import Cluster
from support.nodeshell import NodeShell, node_shell

BARE = "bare-speed"
"""A namespace of the node, with a bridge, a VXLAN, and nothing else."""
_GATE = "10.20.0.250"
"""Where the bare network asks guests from, as the gateway does on Orlop's."""
_VNI = 7
_ASK, _SEND = 9, 5001

GUEST = f"""#!/bin/sh
cat >/run/send <<'END'
#!/bin/sh
exec dd if=/dev/zero bs=65536 count={{blocks}} 2>/dev/null
END
cat >/run/receive <<'END'
#!/bin/sh
adjtimex >/run/began
dd of=/dev/null bs=65536 iflag=fullblock 2>/run/took
adjtimex >/run/ended
END
cat >/run/measure <<'END'
#!/bin/sh
read -r to
ping -A -c {{pings}} -w 20 $to | sed -n 's/.*time=\\([0-9.]*\\) ms.*/ping \\1/p'
nc $to {_SEND} -e /run/receive
sed -n 's/+.* in$//p' /run/took
for when in began ended; do sed -n 's/ *time.tv_.*: *//p' /run/$when; done
END
chmod +x /run/send /run/receive /run/measure
nc -ll -p {_SEND} -e /run/send &
nc -ll -p {_ASK} -e /run/measure &
echo LISTENS
wait
"""
"""Sends as much as there is to whoever connects; asked for it, pings a neighbour and takes what that one sends.

busybox' `date` knows whole seconds alone, its `adjtimex` microseconds.
"""


def guest(pings: int, mebibytes: int) -> str:
    """The script of one of them: so many pings each after the answer to the one before, so much by TCP."""
    return GUEST.format(pings=pings, blocks=mebibytes * 16)


@dataclass(frozen=True)
class Said:
    """Of one round: milliseconds of each ping, and MiB a second."""

    pings: Sequence[float]
    speed: float

    @classmethod
    def of(cls, text: str) -> Said:
        pings = [float(line.split()[1]) for line in text.splitlines() if line.startswith("ping")]
        others = [int(line) for line in text.splitlines() if not line.startswith("ping")]
        assert len(others) == 5, text
        blocks, began, began_us, ended, ended_us = others
        return cls(pings, blocks / 16 / (ended - began + (ended_us - began_us) / 1e6))

    @property
    def median(self) -> float:
        return statistics.median(self.pings)


@dataclass(frozen=True)
class Place:
    """A node and the taps of the guests there."""

    shell: NodeShell
    address: str
    taps: Sequence[str]
    network: str
    """Orlop's namespace."""

    def make(self, peer: str, mtu: int) -> None:
        """A bare bridge with a bare VXLAN to the other node."""
        # What is bridged is not shown to anybody: that is how a bare bridge is fastest.
        self.shell.run(f"""
ip netns add {BARE}
ip link add vx0 mtu {mtu} netns {BARE} type vxlan id {_VNI} dstport 4789 local {self.address} remote {peer}
ip netns exec {BARE} bash -ec 'cd /proc/sys/net; echo 1 > ipv6/conf/default/disable_ipv6
for each in bridge/bridge-nf-call-*tables; do echo 0 > $each; done'
ip -n {BARE} link add br0 mtu {mtu} type bridge mcast_snooping 0 forward_delay 0
ip -n {BARE} address add {_GATE}/24 dev br0
ip -n {BARE} link set vx0 master br0 up
ip -n {BARE} link set br0 up""")

    def mtu(self) -> int:
        return int(self.shell.run(f"ip netns exec {self.network} cat /sys/class/net/{names.BRIDGE}/mtu"))

    def remove(self) -> None:
        self.shell.run(f"ip netns delete {BARE}")

    def move(self, bare: bool) -> None:
        """The guests' taps to the bare bridge, or back to where they were."""
        ways = (self.network, BARE) if bare else (BARE, self.network)
        bridge = "br0" if bare else names.BRIDGE
        self.shell.run(
            "\n".join(
                f"ip -n {ways[0]} link set {tap} netns {ways[1]}\nip -n {ways[1]} link set {tap} master {bridge} up"
                for tap in self.taps
            )
        )

    def ask(self, guest: str, to: str, bare: bool) -> Said:
        """The guest measures its way to another; it is asked from its own node."""
        network = BARE if bare else self.network
        asking = f"exec 3<>/dev/tcp/{guest}/{_ASK}; echo {to} >&3; exec cat <&3"
        return Said.of(self.shell.run(f"ip netns exec {network} timeout 60 bash -c '{asking}'"))


@contextmanager
def place(cluster: Cluster, node: str, instances: Sequence[Mapping]) -> Iterator[Place]:
    """While it is looked at."""
    taps = [names.tap(each["metadata"]["uid"], "eth0") for each in instances]
    address = cluster.get("hv", node)["status"]["hostAddress"]
    with node_shell(cluster, node) as shell:
        yield Place(shell, address, taps, names.namespace(cluster.segment()))


@contextmanager
def bare_networks(places: Sequence[Place]) -> Iterator[None]:
    """A bare network between two nodes, for a while; the taps have to be back by then."""
    one, other = places
    mtu = one.mtu()
    made: list[Place] = []
    try:
        for each, peer in ((one, other), (other, one)):
            made.append(each)
            each.make(peer.address, mtu)
        yield
    finally:
        for each in made:
            each.remove()
