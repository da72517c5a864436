"""A NIC comes and goes while its guest runs: real libvirt, QEMU, kernel and packets."""

import asyncio
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from orlop_agent.domain.build import domain_xml
from orlop_agent.domain.interface import added_interface
from orlop_agent.domain.spec import Disk, DiskFile, DomainSpec, KernelBoot, Nic
from orlop_agent.hypervisor import DomainEvent, DomainNic, Mark
from orlop_agent.libvirt import LibvirtHypervisor
from orlop_agent.network.adapter import Networks
from orlop_agent.seed.content import files
from orlop_agent.seed.iso import image
from orlop_api.assignment import AssignedNic
from support.fakenode import FakeNode, nic, nodes
from support.guest import BUILD
from support.noderoot import NodeLibvirt

pytestmark = pytest.mark.component

ONE = nic(4097, "10.10.0.10")
TWO = nic(4098, "10.20.0.10", name="eth1", cidr="10.20.0.0/24", gateway="10.20.0.1")


def on(networks: Networks, uid: str, one: AssignedNic) -> Nic:
    return Nic(networks.tap_name(uid, one.name), one.mac_address, one.mtu)


def has(networks: Networks, uid: str, one: AssignedNic, *, connected: bool = True) -> DomainNic:
    return DomainNic(networks.tap_name(uid, one.name), one.mac_address, connected)


async def eventually(look: Callable[[], bool], seconds: float = 90) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(look):
            await asyncio.sleep(0.2)


def answers(node: FakeNode, segment: int, address: str) -> bool:
    return "1 received" in node.run("ping", "-c1", "-W1", address, inside=segment, check=False)


TAKES_ADDRESSES = b"""#!/bin/sh
while :; do
    for card in eth1 eth2; do
        [ -e /sys/class/net/$card ] || { rm -f /tmp/$card; continue; }
        [ -e /tmp/$card ] && continue
        ip link set $card up; udhcpc -q -n -i $card -t 3 -T 1 -O mtu && touch /tmp/$card && echo "HAS $card"
    done
    sleep 0.5
done
"""
"""tiny asks for an address on the cards that it finds at its start."""


def description(networks: Networks, uid: str, data: Path) -> str:
    subprocess.run([BUILD, "tiny", "--output", data], check=True, stdout=subprocess.DEVNULL)
    (data / "seed").write_bytes(image(files(uid, "web-1", [ONE], TAKES_ADDRESSES)))
    mark = Mark(uid, str(uuid.uuid4()), 1, str(uuid.uuid4()), "demo", "web-1")
    return domain_xml(
        DomainSpec(
            mark=mark, virtualization_type="qemu", architecture="x86_64", vcpus=1, memory_bytes=128 << 20,
            disks=(Disk(DiskFile(data / "seed"), "raw", readonly=True),), nics=(on(networks, uid, ONE),),
            console_log=data / "console.log", disk_cache="writeback",
            kernel=KernelBoot(data / "tiny.vmlinuz", data / "tiny.initrd", "console=ttyS0 quiet nokaslr lsm="),
        )
    )  # fmt: skip


async def test_a_nic_comes_has_traffic_and_goes_while_the_other_loses_nothing() -> None:
    uid = str(uuid.uuid4())
    with nodes("192.0.2.1") as (node, _), NodeLibvirt(("nsenter", "-t", str(node.pid), "-n", "--")) as virt:
        networks, hypervisor = node.networks(), LibvirtHypervisor(virt.uri)
        moved: asyncio.Queue[DomainEvent] = asyncio.Queue()
        hypervisor.listen(moved.put_nowait)
        try:
            await networks.prepare(uid, "web-1", [ONE])
            await hypervisor.create_paused(description(networks, uid, virt.data))
            await networks.plug(uid, [ONE])
            await hypervisor.resume(uid)
            await eventually(lambda: "ORLOP-READY" in (virt.data / "console.log").read_text(errors="replace"))
            inside = ["ip", "netns", "exec", "orlop-4097"]
            pings = subprocess.Popen(  # noqa: ASYNC220 - ended before anything waits for it
                [*node.shell, *inside, "ping", "-q", "-i", "0.2", "10.10.0.10"],
                stdout=subprocess.PIPE,
                text=True,
            )

            await networks.prepare(uid, "web-1", [TWO])
            await hypervisor.attach_nic(uid, added_interface(on(networks, uid, TWO)))
            domain = await hypervisor.lookup(uid)
            assert domain is not None
            assert domain.nics == (has(networks, uid, ONE), has(networks, uid, TWO, connected=False))
            for _ in range(2):  # as often as one likes
                await networks.plug(uid, [TWO])
                await hypervisor.connect_nic(uid, networks.tap_name(uid, "eth1"))
            domain = await hypervisor.lookup(uid)
            assert domain is not None
            assert domain.nics == (has(networks, uid, ONE), has(networks, uid, TWO))
            try:
                await eventually(lambda: answers(node, 4098, "10.20.0.10"))
            except TimeoutError:
                raise AssertionError((virt.data / "console.log").read_text(errors="replace")) from None

            # A new agent knows it all, and resync keeps it.
            networks = node.networks()
            await networks.resync({uid: ("web-1", [ONE, TWO])})
            assert answers(node, 4098, "10.20.0.10")

            while not moved.empty():
                moved.get_nowait()
            await hypervisor.detach_nic(uid, networks.tap_name(uid, "eth1"))
            async with asyncio.timeout(30):
                while (domain := await hypervisor.lookup(uid)) and len(domain.nics) > 1:
                    await moved.get()
            assert domain is not None
            assert domain.nics == (has(networks, uid, ONE),)
            await hypervisor.detach_nic(uid, networks.tap_name(uid, "eth1"))  # there is nothing to be done
            await networks.detach(uid, "eth1")
            assert "orlop-4098" not in node.run("ip", "netns").split()
            assert networks.tap_name(uid, "eth1") not in node.run("ip", "link")
            await networks.resync({uid: ("web-1", [ONE])})
            pings.send_signal(2)
            said, _ = pings.communicate(timeout=10)
            assert " 0% packet loss" in said, said

            again = TWO.model_copy(update={"name": "eth2"})
            await networks.prepare(uid, "web-1", [again])
            await hypervisor.attach_nic(uid, added_interface(on(networks, uid, again)))
            await networks.plug(uid, [again])
            await hypervisor.connect_nic(uid, networks.tap_name(uid, "eth2"))
            await eventually(lambda: answers(node, 4098, "10.20.0.10"))
        finally:
            await hypervisor.destroy(uid)
            await hypervisor.close()
        await networks.detach(uid)
        assert node.traces()["namespaces"] == []


def segments(node: FakeNode) -> set[str]:
    return {word for word in node.run("ip", "netns").split() if word.startswith("orlop-")}


async def test_what_was_taken_away_does_not_come_back_by_a_journal_that_is_older() -> None:
    with nodes("192.0.2.1") as (node, _):
        networks = node.networks()
        await networks.prepare("web-1", "web-1", [ONE, TWO])
        await networks.detach("web-1", "eth1")
        for _ in range(2):
            await networks.resync({"web-1": ("web-1", [ONE, TWO])})
            assert segments(node) == {"orlop-4097"}
        await networks.resync({"web-1": ("web-1", [ONE])})
        await networks.prepare("web-1", "web-1", [TWO])
        await networks.resync({"web-1": ("web-1", [ONE, TWO])})
        assert segments(node) == {"orlop-4097", "orlop-4098"}
        await networks.detach("web-1")
        assert node.traces()["namespaces"] == []
