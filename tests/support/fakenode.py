"""A node of its own in network and mount namespaces, and stand-ins for QEMU that hold a guest's tap open."""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from orlop_agent.metadata.service import Metadata
from orlop_agent.network import drops, names
from orlop_agent.network.adapter import Networks
from orlop_api.assignment import AssignedNic
from support import guardian

_HOLD = "mount -t tmpfs tmpfs /run && mkdir -p /run/netns && echo up && exec cat"
# An nsenter(1) of its own keeps this test process where it is; the descriptor comes back over a socket.
_OPEN = """
import fcntl, os, socket, struct, sys
tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", sys.argv[1].encode(), 0x0002 | 0x1000 | 0x4000))
socket.send_fds(socket.socket(fileno=int(sys.argv[2])), [b"x"], [tap])
"""
NOTHING: dict[str, list[str]] = {"namespaces": [], "links": [], "tables": [], "files": [], "servers": []}
"""Traces of a node that Orlop has left."""
_VNET_HEADER = bytes(10)
"""struct virtio_net_hdr: no offloads."""


class FakeNode:
    """Linux network and mounts as a node has them, but no systemd and no libvirt."""

    def __init__(self, address: str, directory: Path) -> None:
        self.address = address
        self.run_dir = directory
        holder = ["unshare", "--net", "--mount", "--", "sh", "-c", _HOLD]
        self._holder = subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._holder.stdout
        assert self._holder.stdout.readline() == b"up\n"
        self.pid = self._holder.pid
        self.shell = ["nsenter", "-t", str(self.pid), "-m", "-n", "--"]
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *argv: str, inside: int | None = None, check: bool = True) -> str:
        """Standard output of a command on the node, or in the namespace of a segment."""
        into = ["ip", "netns", "exec", names.namespace(inside)] if inside else []
        done = subprocess.run([*self.shell, *into, *argv], capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def networks(
        self, metadata: Metadata | None = None, physical: Mapping[str, str] = {"public": "eth0"}
    ) -> Networks:
        """A new agent's view: it knows what is on the node, and nothing else."""
        return Networks(
            self.address,
            run_dir=self.run_dir,
            netns_dir=Path(f"/proc/{self.pid}/root/run/netns"),
            node_shell=self.shell,
            systemd=False,
            metadata=metadata,
            physical_networks=physical,
            node_namespace=Path(f"/proc/{self.pid}/ns/net"),
        )

    def dropped(self, segment_id: int, cause: str, interface: str | None = None) -> int:
        """Packets that rules dropped, of all interfaces or of one."""
        listed = json.loads(self.run(*drops.LIST, inside=segment_id))
        found = drops.counted(listed)
        return sum(causes.get(cause, 0) for name, causes in found.items() if interface in {None, name})

    def traces(self) -> dict[str, list[str]]:
        """All that Orlop could have left."""
        links = self.run("ip", "-br", "link").splitlines()
        return {
            "namespaces": self.run("ip", "netns").split(),
            "links": [line.split()[0] for line in links if not line.startswith(("lo ", "eth0@"))],
            "tables": self.run("nft", "list", "tables").splitlines(),
            "files": [str(path) for path in (self.run_dir / "net").rglob("*")],
            "servers": [str(pid) for pid in self._servers()],
        }

    def _servers(self, of: str = "") -> Iterator[int]:
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if not entry.name.isdecimal():
                    continue
                command = (entry / "cmdline").read_bytes()
                if str(self.run_dir).encode() in command and of.encode() in command:
                    yield int(entry.name)

    def dhcp_server(self) -> int:
        """The process of the only DHCP server here."""
        (pid,) = self._servers("/dhcp/")
        return pid

    def name_server(self) -> int:
        """The process of the only name server here."""
        (pid,) = self._servers("/dns/")
        return pid

    def power_off(self) -> None:
        """Everything goes, as with a power cut."""
        # One that is just being started forks.
        while servers := list(self._servers()):
            for pid in servers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._holder.kill()
        self._holder.wait()
        for pipe in (self._holder.stdin, self._holder.stdout):
            assert pipe
            pipe.close()
        shutil.rmtree(self.run_dir)


class Wire:
    """Holds a guest's tap open, as QEMU does: what is written here, the guest sent."""

    def __init__(self, node: FakeNode, tap: str) -> None:
        self.tap = self.opened(node.shell, tap)

    @staticmethod
    def opened(shell: Sequence[str], tap: str) -> int:
        """A descriptor of the tap, made where the shell is if it is not there."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            opener = [*shell, sys.executable, "-c", _OPEN, tap, str(theirs.fileno())]
            subprocess.run(opener, pass_fds=[theirs.fileno()], check=True)
            _, (descriptor, *_), _, _ = socket.recv_fds(ours, 1, 1)
        return int(descriptor)

    def send(self, frame: bytes) -> None:
        os.write(self.tap, _VNET_HEADER + frame)

    def receive(self, wanted: Callable[[bytes], bool], seconds: float = 2.0) -> bytes | None:
        """The next frame that is wanted; None when the time is over."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self.tap], [], [], left)[0]:
                frame = os.read(self.tap, 65536)[len(_VNET_HEADER) :]
                if wanted(frame):
                    return frame
        return None

    def close(self) -> None:
        os.close(self.tap)


@contextlib.contextmanager
def nodes(*addresses: str) -> Iterator[list[FakeNode]]:
    """Nodes on one wire, eth0 each, with nothing beyond it."""
    with contextlib.ExitStack() as stack:
        made: list[FakeNode] = []
        # Not pytest's own directory: dnsmasq reads its files as nobody.
        root = guardian.directory("orlop-net")
        stack.callback(shutil.rmtree, root)
        root.chmod(0o755)
        for number, address in enumerate((*addresses, "192.0.2.254")):
            directory = root / str(number)
            directory.mkdir()
            node = FakeNode(address, directory)
            stack.callback(node.power_off)
            made.append(node)
        *made, fabric = made
        fabric.run("ip", "link", "add", "fabric", "type", "bridge")
        fabric.run("ip", "address", "add", "192.0.2.254/24", "dev", "fabric")
        fabric.run("ip", "link", "set", "fabric", "up")
        for number, node in enumerate(made):
            port = f"port{number}"
            fabric.run(
                "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(node.pid)
            )
            fabric.run("ip", "link", "set", port, "master", "fabric", "up")
            node.run("ip", "address", "add", f"{node.address}/24", "dev", "eth0")
            node.run("ip", "link", "set", "eth0", "up")
        yield [*made, fabric]


def nic(segment_id: int, address: str, /, **fields: object) -> AssignedNic:
    """A NIC on 10.10.0.0/24, as the operator would resolve it."""
    low = [int(octet) for octet in address.split(".")[2:]]
    mac = bytes([2, *segment_id.to_bytes(3, "big"), *low]).hex(":")
    usual: dict[str, object] = {
        "name": "eth0", "port_name": f"port-{address}", "network_uid": f"net-{segment_id}",
        "segment_id": segment_id, "mac_address": mac, "addresses": [address], "cidr": "10.10.0.0/24",
        "gateway": "10.10.0.1", "mtu": 1450,
    }  # fmt: skip
    return AssignedNic.model_validate(usual | fields)


async def start(networks: Networks, node: FakeNode, uid: str, nics: Sequence[AssignedNic]) -> list[Wire]:
    """A guest in the order of a real one: prepared, its taps opened, plugged."""
    await networks.prepare(uid, uid, nics)
    wires = [Wire(node, networks.tap_name(uid, each.name)) for each in nics]
    await networks.plug(uid, nics)
    return wires
