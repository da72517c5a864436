"""The tiny guest's network against dnsmasq, the DHCP server of Orlop's networks, in its own namespace."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from support.guest import READY, Guest, disk, machine, seed

pytestmark = [
    pytest.mark.component,
    pytest.mark.timeout(120),
    pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace"),
]
MAC = "52:54:00:00:00:07"


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def dnsmasq(directory: Path) -> list[str]:
    return [
        "dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--port=0", "--user=root", "--pid-file=",
        "--bind-interfaces", "--interface=tap0", f"--dhcp-leasefile={directory}/leases", "--no-ping",
        f"--log-facility={directory}/dnsmasq.log", "--log-dhcp",
        f"--dhcp-host={MAC},10.77.0.20", "--dhcp-range=10.77.0.0,static,255.255.255.0",
        "--dhcp-option=3,10.77.0.1", "--dhcp-option=6,10.77.0.1,10.77.0.2", "--dhcp-option=26,1400",
        "--dhcp-option=121,0.0.0.0/0,10.77.0.1,169.254.169.254/32,10.77.0.1",
    ]  # fmt: skip


@pytest.fixture
def segment(tmp_path: Path) -> Iterator[list[str]]:
    """A segment with a DHCP server and no way out; yields the command that runs a program there."""
    name = f"guest-{os.getpid()}"
    inside = ["ip", "netns", "exec", name]
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "tuntap", "add", "tap0", "mode", "tap")
        ip("-n", name, "address", "add", "10.77.0.1/24", "dev", "tap0")
        ip("-n", name, "link", "set", "tap0", "mtu", "1400", "up")
        server = subprocess.Popen([*inside, *dnsmasq(tmp_path)])
        try:
            yield inside
        finally:
            server.terminate()
            server.wait()
    finally:
        ip("netns", "delete", name)


def wait_for(path: Path, text: str, times: int, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while path.read_text().count(text) < times:
        assert time.monotonic() < deadline, f"not {times} times {text!r}:\n{path.read_text()}"
        time.sleep(0.05)


def test_honours_the_lease_answers_ping_and_renews(
    tiny: Path, start: Callable[[Sequence[str]], Guest], tmp_path: Path, segment: list[str]
):
    script = (
        "#!/bin/sh\n"
        "ip -o link show eth0\nip -o route\ncat /etc/resolv.conf\n"
        "kill -USR1 $(cat /run/dhcp/eth0.pid)\n"  # udhcpc: renew now
    )
    medium = seed(tmp_path / "seed.iso", script, "lease")
    nic = ["-netdev", "tap,id=n0,ifname=tap0,script=no,downscript=no"]
    nic += ["-device", f"virtio-net-pci,netdev=n0,mac={MAC}"]
    boot = disk(tiny / "tiny.qcow2", 0, form="qcow2", boot=True)
    guest = start([*segment, *machine(), *boot, *disk(medium, 1), *nic])

    ready = guest.wait_for(READY)
    assert (ready["host"], ready["ip"]) == ("lease", "10.77.0.20")
    guest.wait_for(r"^user-data: .* mtu 1400 ")
    guest.wait_for(r"^user-data: default via 10\.77\.0\.1 dev eth0")
    guest.wait_for(r"^user-data: 169\.254\.169\.254 via 10\.77\.0\.1 dev eth0")
    guest.wait_for(r"^user-data: nameserver 10\.77\.0\.1")
    guest.wait_for(r"^user-data: exit status")
    ping = ["ping", "-c", "2", "-i", "0.2", "-W", "5", "10.77.0.20"]
    subprocess.run([*segment, *ping], check=True, stdout=subprocess.DEVNULL)

    log = tmp_path / "dnsmasq.log"
    wait_for(log, "DHCPACK(tap0) 10.77.0.20", 2)
    # The first question was the only one, and the renewal went to the server that gave the lease.
    assert log.read_text().count("DHCPDISCOVER(tap0)") == 1
    assert "client provides name: lease" in log.read_text()

    guest.qmp("system_powerdown")
    guest.wait_for_end(15)
