"""FloatingIPs as the API server has them, and two nodes with somebody outside."""

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from orlop_api.assignment import AssignedNic
from orlop_api.floating_ip import FloatingIP
from support import joined
from support.fakenode import FakeNode
from support.routed import HOME, NETWORKS
from support.stack import PATIENT

BLUE, GREEN, _ = NETWORKS
_CONNECT = """
import socket, sys
made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
made.settimeout(float(sys.argv[3]))
made.connect((sys.argv[1], int(sys.argv[2])))
socket.send_fds(socket.socket(fileno=int(sys.argv[4])), [b"x"], [made.fileno()])
"""
_LISTEN = """
import socket, sys
made = socket.create_server(("", int(sys.argv[1])))
socket.send_fds(socket.socket(fileno=int(sys.argv[2])), [b"x"], [made.fileno()])
"""


def floating(
    address: str,
    to: AssignedNic | None,
    ports: Sequence[tuple[str, int, int | None]] = (),
    /,
    **status: object,
) -> FloatingIP:
    """One of the physical network `public` that leads to a NIC's Port."""
    target = (
        {
            "name": to.port_name, "uid": f"uid-{to.port_name}", "networkUID": to.network_uid,
            "segmentID": to.segment_id, "address": to.addresses[0],
        }
        if to is not None
        else None
    )  # fmt: skip
    forwards = [
        {"protocol": protocol, "port": port} | ({"targetPort": target_port} if target_port else {})
        for protocol, port, target_port in ports
    ]
    return FloatingIP.model_validate(
        {
            "metadata": {"name": f"f-{address}", "namespace": HOME, "uid": f"uid-{address}"},
            "spec": {"networkRef": {"name": "public"}, "ports": forwards},
            "status": {"address": address, "physicalNetwork": "public", "target": target} | status,
        }
    )


class Cloud(joined.Cloud):
    """Two nodes with agents, that are told the same, and who is outside."""

    def __init__(self, lab: joined.Lab, close: ExitStack) -> None:
        super().__init__(lab, close)
        self.outside = lab[2]

    async def lead(self, *known: FloatingIP) -> None:
        for agent in self.agents:
            await agent.set_floating_ips(HOME, known)

    async def anew(self, at: int) -> None:
        self.agents[at] = self.nodes[at].networks()
        await self.agents[at].resync(self.wanted(at))

    def pings(self, to: str, seconds: float = 2) -> bool:
        argv = [*self.outside.shell, "ping", "-c", "1", "-W", str(seconds), to]
        return subprocess.run(argv, capture_output=True, check=False).returncode == 0

    def _socket(self, at: FakeNode, *argv: str) -> socket.socket | None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            made = [*at.shell, sys.executable, "-c", *argv, str(theirs.fileno())]
            if subprocess.run(made, pass_fds=[theirs.fileno()], capture_output=True, check=False).returncode:
                return None
            _, (descriptor, *_), _, _ = socket.recv_fds(ours, 1, 1)
        found = socket.socket(fileno=descriptor)
        found.settimeout(PATIENT)
        self._close.callback(found.close)
        return found

    def connect(self, to: str, number: int, seconds: float = 3.0) -> socket.socket | None:
        return self._socket(self.outside, _CONNECT, to, str(number), str(seconds))

    def listen(self, number: int, at: FakeNode | None = None) -> socket.socket:
        found = self._socket(at or self.outside, _LISTEN, str(number))
        assert found
        return found

    @staticmethod
    def heard(listener: socket.socket) -> str:
        """Who calls."""
        listener.settimeout(PATIENT)
        made, (address, _) = listener.accept()
        made.close()
        return str(address)

    def known_as(self, address: str) -> str | None:
        """The MAC address that the outside takes it for."""
        listed = json.loads(self.outside.run("ip", "-j", "neigh", "show", "to", address) or "[]")
        return next((each.get("lladdr") for each in listed), None)

    def mac(self, at: int) -> str:
        (link,) = json.loads(self.nodes[at].run("ip", "-j", "link", "show", "eth0"))
        found: str = link["address"]
        return found
