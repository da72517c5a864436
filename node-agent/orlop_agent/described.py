"""The domain of an order, once everything for it is prepared. Pure."""

from __future__ import annotations

from typing import Protocol

from orlop_agent import wired
from orlop_agent.domain.spec import DomainSpec, Nic
from orlop_agent.hypervisor import Mark
from orlop_agent.observed import Observed
from orlop_agent.paths import Layout
from orlop_agent.preparation import Prepared
from orlop_api.assignment import Assignment
from orlop_api.hardware import Hardware


class Node(Protocol):
    """What of the node is in a description."""

    @property
    def layout(self) -> Layout: ...
    @property
    def architecture(self) -> str: ...
    @property
    def disk_cache(self) -> str: ...


def described(
    instance_uid: str, order: Assignment, observed: Observed, prepared: Prepared, node: Node
) -> DomainSpec:
    """For the start that this process has the right to."""
    mine, spec = observed.memory.mine, order.spec
    if mine is None:
        raise AssertionError
    return DomainSpec(
        mark=Mark(
            instance_uid,
            mine.assignment_uid,
            mine.epoch,
            mine.start_id,
            spec.instance.namespace,
            spec.instance.name,
        ),
        virtualization_type=observed.virtualization_type,
        architecture=node.architecture,
        vcpus=spec.vcpus,
        memory_bytes=spec.memory_bytes,
        disks=prepared.disks,
        nics=tuple(Nic(tap, nic.mac_address, nic.mtu) for tap, nic in wired.ordered(order).items()),
        console_log=node.layout.console_log(instance_uid),
        kernel=prepared.kernel,
        disk_cache=node.disk_cache,
        hardware=spec.hardware or Hardware(),
        nvram=node.layout.nvram(instance_uid),
    )
