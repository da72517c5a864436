"""Every NoSchedule and NoExecute taint of the node is tolerated, as the Kubernetes scheduler has it."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_operator.scheduling.facts import Host, Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.toleration import untolerated
from orlop_operator.scheduling.world import Mask, World

HARD = frozenset({"NoSchedule", "NoExecute"})


def keep(world: World, request: Request) -> Mask:
    return world.where(
        ("taints", request.tolerations), lambda host: not untolerated(host.taints, request.tolerations, HARD)
    )


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    def why(host: Host) -> str:
        taints = untolerated(host.taints, request.tolerations, HARD)
        return f"taint {','.join(map(str, taints))} is not tolerated"

    return grouped(world, rejected, why)
