"""Which node fetches an Image, and whether a namespace may have it fetch one more. Pure."""

from __future__ import annotations

from collections.abc import Collection

from orlop_api.condition import Condition, is_true
from orlop_api.hypervisor import Hypervisor
from orlop_operator.reconcile.conditions import false

LONGEST = 64
"""Length of Hypervisor.spec.imports."""


def slot(hosts: Collection[Hypervisor], namespace: str, held: int) -> Hypervisor | Condition:
    """The node that may be asked to fetch, or why none may; `held` imports are the namespace's.

    No namespace has more than are free for all (dynamic thresholds, Choudhury and Hahne 1998): one alone gets half,
    two get a third each, and whoever has none finds one as long as there are fewer namespaces than places.
    """
    host = chosen(hosts)
    if host is None:
        return _nobody(hosts)
    free = sum(LONGEST - len(h.spec.imports) for h in hosts if usable(h))
    if held < free:
        return host
    message = (
        f"namespace {namespace} has {held} imports under way, and none may have more than the {free} that are free"
        " for all; it waits for one of them to end"
    )
    return false("Ready", "ImportsFull", message)


def chosen(hosts: Collection[Hypervisor], avoid: str = "") -> Hypervisor | None:
    """The usable node with the fewest imports; the first by name of those."""
    fit = [h for h in hosts if usable(h) and h.metadata.name != avoid and len(h.spec.imports) < LONGEST]
    return min(fit, key=lambda h: (len(h.spec.imports), h.metadata.name), default=None)


def usable(host: Hypervisor) -> bool:
    """Whether it is Ready, and there to stay."""
    return host.status is not None and is_true(host.status.conditions, "Ready") and not host.metadata.deleting


def _nobody(hosts: Collection[Hypervisor]) -> Condition:
    if any(usable(h) for h in hosts):
        message = f"every Ready hypervisor has {LONGEST} imports already; it waits for one of them to end"
        return false("Ready", "ImportsFull", message)
    return false("Ready", "NoHypervisor", "no hypervisor is Ready to fetch it")
