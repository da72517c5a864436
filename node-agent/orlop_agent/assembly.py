"""The agent's parts, put together: the program does it with libvirt and the kernel, tests with stand-ins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from orlop_agent import node
from orlop_agent.agent import Agent
from orlop_agent.allocation import Allocation
from orlop_agent.api import backoff
from orlop_agent.api.client import Client
from orlop_agent.api.http import connected
from orlop_agent.api.identity import (
    SERVICE_ACCOUNT,
    Identity,
    NodeIdentity,
    from_kubeconfig,
    in_cluster,
)
from orlop_agent.cache import Cache
from orlop_agent.credentials import Credentials
from orlop_agent.disks import NodeDisks
from orlop_agent.execute import Services
from orlop_agent.hypervisor import Hypervisor, HypervisorError
from orlop_agent.image.published import Publisher
from orlop_agent.image.store import ImageStore
from orlop_agent.inventory import Inventory
from orlop_agent.journal import Journal
from orlop_agent.ledger import Ledger
from orlop_agent.makings import Makings
from orlop_agent.metrics import CacheMetrics, serve
from orlop_agent.network_metrics import exposition
from orlop_agent.nodestatus import unrouted
from orlop_agent.origins import Origins
from orlop_agent.paths import Layout
from orlop_agent.peer.keeper import Keepers
from orlop_agent.peer.moments import Giver
from orlop_agent.peer.moments_client import Moments
from orlop_agent.peer.peering import Peering
from orlop_agent.preparation import Preparation
from orlop_agent.protocol import Me
from orlop_agent.settings import Settings
from orlop_agent.snapshots import Snapshots
from orlop_agent.storage import StorageWork
from orlop_agent.volume.drivers import Drivers
from orlop_agent.volume.file import cache_mode, sweep
from orlop_agent.volume.iscsi import IscsiVolumes
from orlop_agent.volume.local import LocalVolumes
from orlop_agent.volume.nbd import NbdVolumes
from orlop_agent.volume.pools import SharedPools
from orlop_agent.volume.rbd import RbdVolumes
from orlop_agent.volume.shared import SharedVolumes
from orlop_agent.volume.tgt import Tgt
from orlop_agent.wiring import Networks, Wiring
from orlop_api.assignment import Assignment
from orlop_api.config import OrlopConfig
from orlop_api.hypervisor import HypervisorStatus
from orlop_api.volume_class import Driver

_log = structlog.get_logger()


@asynccontextmanager
async def assembled(
    settings: Settings,
    layout: Layout,
    config: OrlopConfig,
    hypervisor: Hypervisor,
    networks: Networks,
    version: str,
) -> AsyncIterator[Agent]:
    """An agent that is ready to run. `layout` is prepared; only one agent may have it."""
    if settings.kubeconfig is not None:
        endpoint, fixed = from_kubeconfig(settings.kubeconfig)
    else:
        endpoint, fixed = in_cluster(settings.kubernetes_service_host, settings.kubernetes_service_port), None
    async with connected(endpoint.server, endpoint.tls) as http:
        identity: Identity = fixed if fixed is not None else NodeIdentity(http, SERVICE_ACCOUNT / "token")
        client = Client(http, identity, settings.node_name)
        me = Me(settings.node_name, node.boot_id(), node.pool_id(layout.pool_id))
        kind = node.virtualization_type(config.node)
        agents: list[Agent] = []
        metrics = CacheMetrics()
        peering = Peering(
            settings.node_name,
            settings.host_ip,
            settings.orlop_peer_port,
            layout.images,
            config.images,
            metrics,
        )
        sweep(layout.volumes)
        sweep(layout.targets)
        pools = SharedPools(layout.shared)
        credentials = Credentials(client, hypervisor)
        iscsi = IscsiVolumes(settings.node_name, layout.targets, Tgt(), credentials.chap)
        volumes = Drivers(
            {
                Driver.LOCAL: LocalVolumes(layout.volumes),
                Driver.SHARED: SharedVolumes(pools),
                Driver.NBD: NbdVolumes(),
                Driver.ISCSI: iscsi,
                Driver.RBD: RbdVolumes(settings.node_name, credentials.ceph),
            }
        )
        moments = Moments(layout.exports, client.hypervisor, peering.context)
        snapshots = Snapshots(layout, volumes, hypervisor, moments, settings.node_name)
        peering.give(Giver(lambda uid: agents[0].volume(uid) if agents else None, snapshots.moment))
        publisher = Publisher(layout, snapshots, hypervisor)
        images = ImageStore(
            layout.images,
            config.images,
            in_use=lambda: agents[0].images_in_use() if agents else None,
            disks=layout.disk_folders,
            peers=peering,
            metrics=metrics,
            secrets=client.secret,
            inside=client.inside,
            maker=publisher,
            keepers=Keepers(settings.node_name, client.hypervisor, peering, config.images),
        )
        origins = Origins(images, snapshots)
        wiring = Wiring(networks, client)
        cache = Cache()
        facts = await _facts(settings, me, kind, hypervisor, version)
        allocation = Allocation(config.node.vcpu_ratio)
        allocation.measured(node.capacity(config.node, layout.data))

        makings = Makings(volumes, Origins(images, snapshots).open, credentials.of_volume)

        def learn(instance_uid: str, assignment: Assignment | None) -> None:
            agents[0].learn(instance_uid, assignment)

        services = Services(
            layout=layout,
            client=client,
            hypervisor=hypervisor,
            journal=Journal(layout.journal),
            ledger=Ledger(allocation.given),
            preparation=Preparation(
                layout, images, wiring, volumes, credentials, makings, publisher, NodeDisks()
            ),
            makings=makings,
            wiring=wiring,
            architecture=node.architecture(),
            disk_cache=cache_mode(layout.instances),
            learn=learn,
        )

        def in_use() -> set[tuple[str, int | None]]:
            return agents[0].volumes_in_use() | {(uid, None) for uid in makings.under_way()}

        storage = StorageWork(volumes, snapshots, origins.open, in_use, credentials)
        inventory = Inventory(
            settings.node_name,
            client,
            lambda: facts.model_copy(
                update={
                    "capacity": allocation.measured(node.capacity(config.node, layout.data)),
                    "overcommit": allocation.ratios(),
                    "underlay_mtu": node.underlay_mtu(settings.host_ip),
                    "physical_networks": node.physical_networks(config.node),
                    "physical_interfaces": node.physical_interfaces(config.node),
                    "bridge_filter": node.bridge_filter(),
                    "unrouted": unrouted(networks.unrouted()),
                }
            ),
            allocation,
            images,
            storage,
            peering,
            pools,
            iscsi,
        )
        networks.listen(inventory.look)
        makings.listen(lambda _: storage.wake())
        agents.append(Agent(me, kind, client, cache, services, volumes, inventory, storage))
        makings.listen(agents[0].wake)
        loop = asyncio.get_running_loop()

        def more_room() -> None:
            # The node is measured in threads, where no Instance may be woken.
            loop.call_soon_threadsafe(agents[0].room)

        allocation.listen(more_room)

        async def counted() -> bytes:
            return exposition(await networks.counts())

        counts = asyncio.create_task(
            serve(settings.host_ip, settings.orlop_metrics_port, images.exposition, counted), name="metrics"
        )
        try:
            yield agents[0]
        finally:
            await makings.close()
            counts.cancel()
            await asyncio.gather(counts, return_exceptions=True)
            await wiring.close()


async def _facts(
    settings: Settings, me: Me, kind: node.VirtualizationType, hypervisor: Hypervisor, version: str
) -> HypervisorStatus:
    """What does not change while the agent runs. Waits for the hypervisor: without it there is no node."""
    for delay in backoff.delays(first=1.0):
        try:
            libvirt_version, emulator_version = await hypervisor.versions()
            hardware = await hypervisor.hardware(node.architecture(), kind)
            break
        except HypervisorError as error:
            _log.warning("hypervisor.waiting", error=str(error))
            await asyncio.sleep(delay)
    return HypervisorStatus(
        architecture=node.architecture(),
        virtualization_type=kind,
        boot_id=me.boot_id,
        pool_id=me.pool_id,
        host_address=settings.host_ip,
        nic_families=["IPv4", "IPv6"],
        hardware=hardware,
        agent_version=version,
        libvirt_version=libvirt_version,
        hypervisor_version=emulator_version,
    )
