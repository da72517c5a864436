"""A Hypervisor object and its Node, as one Host."""

from __future__ import annotations

from collections.abc import Mapping

from orlop_api.condition import Truth, find
from orlop_api.hypervisor import Hypervisor
from orlop_api.hypervisor_scheduling import HypervisorScheduling
from orlop_api.physical_interface import InterfaceType
from orlop_operator.scheduling.facts import Host, Physical, Taint, Usage
from orlop_operator.scheduling.hardware import offer_from


def host_from(
    hypervisor: Hypervisor,
    *,
    labels: Mapping[str, str],
    taints: tuple[Taint, ...] = (),
    cordoned: bool = False,
) -> Host:
    """The scheduler's view; labels, taints and cordoned are the Node's.

    A node whose agent has not reported a capacity yet is not ready, whatever its Lease says.
    """
    status, told = hypervisor.status, hypervisor.spec.scheduling or HypervisorScheduling()
    if status is None or status.capacity is None:
        return Host(
            hypervisor.metadata.name, ready=False, reason="AgentNotReported", labels=labels, taints=taints
        )
    ready = find(status.conditions, "Ready")
    alive = ready is not None and ready.status is Truth.TRUE
    return Host(
        name=hypervisor.metadata.name,
        capacity=Usage(status.capacity.vcpus, status.capacity.memory_bytes, status.capacity.disk_bytes),
        ready=alive,
        reason="" if alive else (ready.reason if ready else "AgentNotReported"),
        cordoned=cordoned or hypervisor.metadata.deleting,
        disabled=told.reason if told.state == "Disabled" else None,
        weight=told.weight / 100,
        labels=labels,
        taints=taints,
        architecture=status.architecture,
        images=frozenset(status.images),
        pool_id=status.pool_id,
        shared_pools={pool.name: pool.pool_id for pool in status.shared_pools},
        physical={
            each.name: Physical(each.mtu, each.type is InterfaceType.BRIDGE)
            for each in status.physical_interfaces
        },
        nic_families=frozenset(status.nic_families),
        hardware=offer_from(status.hardware),
    )
