"""One simulated node: the agent put together as `assembly` does it, with stand-ins for what it does to a node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from orlop_agent import node
from orlop_agent.agent import Agent
from orlop_agent.allocation import Allocation
from orlop_agent.api.client import Client
from orlop_agent.cache import Cache
from orlop_agent.credentials import Credentials
from orlop_agent.execute import Services
from orlop_agent.image.published import Publisher
from orlop_agent.inventory import Inventory
from orlop_agent.journal import Journal
from orlop_agent.ledger import Ledger
from orlop_agent.makings import Makings
from orlop_agent.metrics import CacheMetrics
from orlop_agent.origins import Origins
from orlop_agent.paths import Layout
from orlop_agent.peer.peering import Peering
from orlop_agent.preparation import Preparation
from orlop_agent.protocol import Me
from orlop_agent.simulate import OFFER
from orlop_agent.simulation.disks import SimulatedDisks, SimulatedVolumes
from orlop_agent.simulation.guests import SimulatedGuests
from orlop_agent.simulation.images import SimulatedImages
from orlop_agent.simulation.latencies import Latencies
from orlop_agent.simulation.networks import SimulatedNetworks
from orlop_agent.snapshots import Snapshots
from orlop_agent.storage import StorageWork
from orlop_agent.volume.drivers import Drivers
from orlop_agent.wiring import Wiring
from orlop_api.assignment import Assignment
from orlop_api.capacity import Capacity
from orlop_api.config import ImageConfig
from orlop_api.hypervisor import HypervisorStatus
from orlop_api.volume_class import Driver

VERSION = "simulated"
_NO_PEERS = ImageConfig(peers="Disabled")


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a simulated node is like."""

    name: str
    address: str
    capacity: Capacity
    """What it has; what it gives follows from the ratios that hold for it."""
    latencies: Latencies


class _Nothing:
    """Of shared pools and of iSCSI targets a simulated node has none."""

    found: dict[str, str] = {}

    async def run(self, _changed: Callable[[], None] = lambda: None) -> None:
        await asyncio.Event().wait()


@asynccontextmanager
async def assembled(made: Simulated, layout: Layout, client: Client) -> AsyncIterator[Agent]:
    """An agent that is ready to run; what is not imported from this package is what a real node has."""
    boot_id = str(uuid4())  # guests are in memory: with the process they are gone, as with a boot
    me = Me(made.name, boot_id, node.pool_id(layout.pool_id))
    hypervisor, networks = SimulatedGuests(made.latencies), SimulatedNetworks(made.latencies)
    agents: list[Agent] = []
    nothing = _Nothing()
    peering = Peering(made.name, made.address, 0, layout.images, _NO_PEERS, CacheMetrics())
    volumes = Drivers(dict.fromkeys(Driver, SimulatedVolumes(layout.volumes, made.latencies)))
    snapshots = Snapshots(layout, volumes, hypervisor, node=made.name)
    credentials = Credentials(client, hypervisor)
    images = SimulatedImages(layout.images, made.latencies)
    origins = Origins(images, snapshots)
    wiring = Wiring(networks, client)
    makings = Makings(volumes, origins.open, credentials.of_volume)
    publisher = Publisher(layout, snapshots, hypervisor)
    disks = SimulatedDisks(made.latencies)
    facts, allocation = _facts(made, me), Allocation()
    allocation.measured(made.capacity)

    def learn(instance_uid: str, assignment: Assignment | None) -> None:
        agents[0].learn(instance_uid, assignment)

    def in_use() -> set[tuple[str, int | None]]:
        return agents[0].volumes_in_use() | {(uid, None) for uid in makings.under_way()}

    services = Services(
        layout=layout,
        client=client,
        hypervisor=hypervisor,
        journal=Journal(layout.journal),
        ledger=Ledger(allocation.given),
        preparation=Preparation(layout, images, wiring, volumes, credentials, makings, publisher, disks),
        makings=makings,
        wiring=wiring,
        architecture=node.architecture(),
        disk_cache="none",
        learn=learn,
    )
    storage = StorageWork(volumes, snapshots, origins.open, in_use, credentials)

    def told() -> HypervisorStatus:
        given = {"capacity": allocation.given(), "overcommit": allocation.ratios()}
        return facts.model_copy(update=given)

    inventory = Inventory(made.name, client, told, allocation, images, storage, peering, nothing, nothing)
    networks.listen(inventory.look)
    makings.listen(lambda _: storage.wake())
    agents.append(Agent(me, "qemu", client, Cache(), services, volumes, inventory, storage))
    makings.listen(agents[0].wake)
    allocation.listen(agents[0].room)
    try:
        yield agents[0]
    finally:
        await makings.close()
        await wiring.close()


def _facts(made: Simulated, me: Me) -> HypervisorStatus:
    fixed: dict[str, Any] = {"agent_version": VERSION, "libvirt_version": "0", "hypervisor_version": "0"}
    return HypervisorStatus(
        architecture=node.architecture(),
        virtualization_type="qemu",
        boot_id=me.boot_id,
        pool_id=me.pool_id,
        host_address=made.address,
        underlay_mtu=1500,
        nic_families=["IPv4", "IPv6"],
        hardware=OFFER,
        bridge_filter="Loaded",
        **fixed,
    )
