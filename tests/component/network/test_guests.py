"""Real guests in QEMU on two nodes: leases, a renewal, a ping and a connection across the overlay."""

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orlop_agent.network.adapter import Networks
from orlop_agent.network.book import Book
from orlop_api.assignment import AssignedNic
from orlop_api.port import Port
from support.fakenode import FakeNode, nic
from support.guest import BUILD, READY, Guest, disk, machine, seed

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]

_SCRIPT = """#!/bin/sh
kill -USR1 $(cat /run/dhcp/eth0.pid)
ping -c 3 -W 5 10.10.0.21
ping -s 1422 -c 1 -W 5 10.10.0.21
ping -c 1 -W 5 192.0.2.254
nc -w 5 10.10.0.21 7 </dev/null
ip -o addr show eth0
nslookup web-1.orlop.internal
nslookup 10.10.0.21
cat /etc/resolv.conf
"""


@pytest.fixture
def tiny() -> Path:
    built = subprocess.run([BUILD, "tiny"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return Path(built.split()[1]).parent


@pytest.fixture
def guests() -> Iterator[list[Guest]]:
    started: list[Guest] = []
    yield started
    for guest in started:
        guest.kill()


def port(order: AssignedNic, node: FakeNode, instance: str) -> Port:
    binding = {"instanceName": instance, "instanceUID": "x", "nodeName": "x", "hostAddress": node.address}
    status = {"macAddress": order.mac_address, "addresses": order.addresses, "binding": binding}
    metadata = {"name": instance, "namespace": "demo"}
    return Port.model_validate(
        {"metadata": metadata, "spec": {"networkRef": {"name": "blue"}}, "status": status}
    )


def answers(monitor: Path) -> None:
    """Returns when QEMU's monitor is there: by then its NICs are open."""
    while True:
        with (
            contextlib.suppress(FileNotFoundError, ConnectionRefusedError),
            socket.socket(socket.AF_UNIX) as to,
        ):
            to.connect(str(monitor))
            assert b"QMP" in to.recv(4096)
            return
        time.sleep(0.02)


async def boot(
    networks: Networks, node: FakeNode, name: str, order: AssignedNic, files: tuple[Path, Path], script: str
) -> Guest:
    """As the agent does with libvirt: the machine is made paused, and runs when its NIC is plugged."""
    tiny, directory = files
    await networks.prepare(name, name, [order])
    (directory / name).mkdir()
    medium = seed(directory / name / "seed.iso", script, name)
    device = [
        "-netdev", f"tap,id=n0,ifname={networks.tap_name(name, 'eth0')},script=no,downscript=no",
        "-device", f"virtio-net-pci,netdev=n0,romfile=,mac={order.mac_address}",
    ]  # fmt: skip
    boot_disk = disk(tiny / "tiny.qcow2", 0, form="qcow2", boot=True)
    command = [*node.shell, *machine(), "-S", *boot_disk, *disk(medium, 1), *device]
    return Guest(command, directory / name / "qmp")


async def test_two_guests_on_two_nodes(
    lab: tuple[FakeNode, FakeNode, FakeNode], tiny: Path, tmp_path: Path, guests: list[Guest]
):
    first, second, _ = lab
    orders = tuple(nic(4097, address, dns=["10.10.0.1"]) for address in ("10.10.0.20", "10.10.0.21"))
    agents = first.networks(), second.networks()
    ports = [port(orders[0], first, "web-0"), port(orders[1], second, "web-1")]

    async def start(number: int, script: str) -> Guest:
        agent, node, order = agents[number], (first, second)[number], orders[number]
        guest = await boot(agent, node, f"web-{number}", order, (tiny, tmp_path), script)
        guests.append(guest)
        await asyncio.to_thread(answers, tmp_path / f"web-{number}" / "qmp")
        await agent.plug(f"web-{number}", [order])
        await agent.set_peers("net-4097", Book.of(ports))
        guest.qmp("cont")
        return guest

    you = await start(1, "#!/bin/sh\ntrue\n")
    answered = you.wait_for(READY)
    assert (answered["host"], answered["ip"]) == ("web-1", "10.10.0.21")
    me = await start(0, _SCRIPT)
    assert me.wait_for(READY)["ip"] == "10.10.0.20"
    me.wait_for(r"3 packets transmitted, 3 packets received")
    # As large as the MTU allows: 1450 less the headers of IPv4 and ICMP.
    me.wait_for(r"1 packets transmitted, 1 packets received")
    me.wait_for(r"1 packets transmitted, 1 packets received")
    me.wait_for(r"^user-data: web-1 \S+ \d+")
    me.wait_for(r"10\.10\.0\.20/24")
    # busybox' nslookup: the server, what was asked for, and what is known of it.
    me.wait_for(r"^user-data: Server:\s+10\.10\.0\.1")
    me.wait_for(r"^user-data: Name:\s+web-1\.orlop\.internal")
    me.wait_for(r"^user-data: Address.*10\.10\.0\.21")
    me.wait_for(r"^user-data: 21\.0\.10\.10\.in-addr\.arpa\s+name = web-1\.orlop\.internal")
    me.wait_for(r"^user-data: nameserver 10\.10\.0\.1$")
