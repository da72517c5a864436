"""A guest with Linux' own network stack at the end of its wire: real ARP, ICMP, UDP and TCP."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading

from orlop_agent.network.adapter import Networks
from orlop_api.assignment import AssignedNic
from orlop_api.nic_addresses import addresses_of
from support.fakenode import FakeNode, Wire, start

_SOCKET = """
import socket, sys
made = socket.socket(int(sys.argv[3]), int(sys.argv[1]))
socket.send_fds(socket.socket(fileno=int(sys.argv[2])), [b"x"], [made.fileno()])
"""
QUICK = 0.4
"""Seconds for what shall not come."""
PATIENT = 5.0


class Stack:
    """A guest with one NIC."""

    def __init__(self, wire: Wire, nic: AssignedNic) -> None:
        self.mac, self.address, self.nic = nic.mac_address, addresses_of(nic)[0], nic
        self.wire = wire
        self._sockets: list[socket.socket] = []
        holder = ["unshare", "--net", "--", "sh", "-c", "echo up && exec cat"]
        self._holder = subprocess.Popen(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._holder.stdout
        assert self._holder.stdout.readline() == b"up\n"
        self.into = ["nsenter", "-t", str(self._holder.pid), "-n", "--"]
        self.tap = Wire.opened(self.into, "eth0")
        self.ip(*f"link set eth0 address {nic.mac_address} mtu {nic.mtu} up".split())
        self.ip(*["link", "set", "lo", "up"])
        if nic.cidr is not None:
            self.ip(*f"address add {self.address}/{nic.cidr.split('/')[1]} dev eth0".split())
            self.ip(*f"route add default via {nic.gateway}".split())
        self._stop, stopper = os.pipe()
        self._stopper = stopper
        self._pump = threading.Thread(target=self._carry, daemon=True)
        self._pump.start()

    @classmethod
    async def start(cls, networks: Networks, node: FakeNode, uid: str, nic: AssignedNic) -> Stack:
        (wire,) = await start(networks, node, uid, [nic])
        return cls(wire, nic)

    def ip(self, *words: str) -> None:
        """ip(8), in the guest."""
        subprocess.run([*self.into, "ip", *words], check=True)

    def _carry(self) -> None:
        there = {self.wire.tap: self.tap, self.tap: self.wire.tap}
        while True:
            ready, _, _ = select.select([*there, self._stop], [], [])
            if self._stop in ready:
                return
            for source in ready:
                with contextlib.suppress(BlockingIOError, OSError):
                    os.write(there[source], os.read(source, 65550))

    def let_go(self) -> None:
        """Carries nothing any more between the wire and the guest."""
        os.write(self._stopper, b"x")
        self._pump.join()

    def close(self) -> None:
        for made in self._sockets:
            made.close()
        self.let_go()
        for descriptor in (self.tap, self._stop, self._stopper):
            os.close(descriptor)
        self.wire.close()
        self._holder.kill()
        self._holder.wait()
        for pipe in (self._holder.stdin, self._holder.stdout):
            assert pipe
            pipe.close()

    def socket(
        self, kind: socket.SocketKind, seconds: float = PATIENT, family: int = socket.AF_INET
    ) -> socket.socket:
        """A socket of the guest, used here."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            given = [str(int(kind)), str(theirs.fileno()), str(int(family))]
            opener = [*self.into, sys.executable, "-c", _SOCKET, *given]
            subprocess.run(opener, pass_fds=[theirs.fileno()], check=True)
            _, (descriptor, *_), _, _ = socket.recv_fds(ours, 1, 1)
        made = socket.socket(fileno=descriptor)
        self._sockets.append(made)
        made.settimeout(seconds)
        return made

    def listen(self, port: int, address: str = "0.0.0.0") -> socket.socket:
        made = self.socket(socket.SOCK_STREAM, family=_family(address))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.listen()
        return made

    def accept(self, listener: socket.socket) -> socket.socket:
        made, _ = listener.accept()
        self._sockets.append(made)
        return made

    def connect(self, to: str, port: int, seconds: float = PATIENT) -> socket.socket | None:
        """A connection; None where nobody answers in time."""
        made = self.socket(socket.SOCK_STREAM, seconds, _family(to))
        try:
            made.connect((to, port))
        except TimeoutError:
            return None
        made.settimeout(PATIENT)
        return made

    def own(self, *words: str) -> None:
        """A command of ip(8) in the guest."""
        subprocess.run([*self.into, "ip", *words], check=True)

    def run(self, *argv: str) -> str:
        """What a program says in the guest."""
        return subprocess.run([*self.into, *argv], capture_output=True, check=True, text=True).stdout

    def pings(self, to: str, seconds: float = 1.0, source: str | None = None) -> bool:
        """Whether somebody answers; who is patient is told what was seen when nobody did."""
        as_whom = ["-I", source] if source is not None else []
        asked = [*self.into, "ping", "-c", "1", "-W", str(seconds), *as_whom, to]
        done = subprocess.run(asked, capture_output=True, check=False, text=True)
        if done.returncode and seconds >= PATIENT:
            print(done.stdout, done.stderr, self.run("ip", "neigh"), self.run("ip", "-s", "link"))
        return done.returncode == 0


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def passes(sender: socket.socket, receiver: socket.socket, seconds: float = PATIENT) -> bool:
    """Whether a word sent on a connection arrives."""
    word = os.urandom(8).hex().encode()
    sender.sendall(word)
    receiver.settimeout(seconds)
    got = b""
    try:
        while word not in got:
            got += receiver.recv(4096)
    except TimeoutError:
        return False
    return True
