"""What guests of joined Networks know and hear by IPv6, and frames that none of them would send."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from support import frames6
from support.fakenode import FakeNode
from support.stack import Stack

INJECT = """
import socket, sys
made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
made.bind((sys.argv[1], 0))
made.send(bytes.fromhex(sys.argv[2]))
"""


def address6(stack: Stack) -> str:
    assert stack.nic.ipv6
    return stack.nic.ipv6.address


def wait(stack: Stack, *, led: bool, seconds: float = 20.0) -> bool:
    """Whether it has its address in that time, and a default way or none."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        shown = json.loads(stack.run("ip", "-j", "-6", "address", "show", "dev", "eth0", "scope", "global"))
        has = [a for each in shown for a in each.get("addr_info", ()) if a.get("local")]
        usable = bool(has) and not any(a.get("tentative") for a in has)
        if usable and ("default" in stack.run("ip", "-6", "route")) is led:
            return True
        time.sleep(0.1)
    return False


def said(stack: Stack, to: str, *options: str) -> str:
    """All that ping says, also what it is refused."""
    return subprocess.run(
        [*stack.into, "ping", "-c", "1", "-W", "2", *options, to], capture_output=True, text=True, check=False
    ).stdout


@contextmanager
def asking(stack: Stack, to: str) -> Iterator[Callable[[], tuple[int, int]]]:
    """A ping a hundred times a second; what is yielded ends it, and says how many were sent and answered."""
    told = [*stack.into, "ping", "-q", "-i", "0.01", to]
    with subprocess.Popen(told, stdout=subprocess.PIPE, text=True) as running:

        def end() -> tuple[int, int]:
            running.send_signal(signal.SIGINT)
            heard, _ = running.communicate(timeout=10)
            sent, received = re.findall(r"(\d+) packets transmitted, (\d+) received", heard)[0]
            return int(sent), int(received)

        try:
            yield end
        finally:
            running.kill()


def inject(node: FakeNode, inside: int, link: str, frame: bytes) -> None:
    node.run(sys.executable, "-c", INJECT, link, frame.hex(), inside=inside)


def routed(mac: str, to_mac: str, source: str, to: str) -> bytes:
    """A datagram to a port where nobody listens."""
    return frames6.udp(mac, to_mac, source, to, (1000, 2000), b"routed")


def received(stack: Stack) -> int:
    """Datagrams that came to the guest's port where nobody listens."""
    time.sleep(0.1)
    counted = dict(line.split() for line in stack.run("cat", "/proc/net/snmp6").splitlines())
    return int(counted["Udp6NoPorts"])
