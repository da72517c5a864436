"""Which nodes shall have an Image before an Instance needs it, and how far they are. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from orlop_api.assigned_image import AssignedImage
from orlop_api.condition import is_true
from orlop_api.hypervisor import Hypervisor, ImportState, PrePullOrder, PrePullReport
from orlop_api.image import Image, PrePullStatus
from orlop_api.peer import ImagePeer
from orlop_api.placement import selects
from orlop_operator.kinds import HYPERVISOR
from orlop_operator.reconcile.effects import Ask, CopySecret, Effect, Patch, Remove
from orlop_operator.reconcile.imports import PREPULL, Logins, login, secret_of
from orlop_operator.reconcile.instance.facts import Blocker
from orlop_operator.reconcile.node_secret import secret_path
from orlop_operator.reconcile.rights import may_log_in

LONGEST = 64
"""Length of Hypervisor.spec.prePulls."""
FIRST, GROWTH = 4, 3
"""Nodes that fetch at once: so many, and so many more for each node that has it already, for those are its peers."""
MOST_WRITES = 32
"""Orders in one look."""


@dataclass(frozen=True)
class Nodes:
    """What orders depend on beside the Image."""

    hypervisors: Collection[Hypervisor] = ()
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of the Node of each Hypervisor."""
    peers: Callable[[str, str], tuple[ImagePeer, ...]] = lambda *_: ()
    """Nodes that an image, by its digest, can be had from, for a node."""
    logins: Logins = field(default_factory=Logins)


@dataclass(frozen=True)
class Progress:
    """What is to be done and said."""

    effects: tuple[Effect, ...]
    status: PrePullStatus | None
    """None where the Image wants no pre-pull."""


def plan_prepull(image: Image, pinned: AssignedImage, nodes: Nodes) -> Progress:
    """Orders for nodes that are selected, none for others."""
    uid, wish, keeper = image.metadata.uid, image.spec.pre_pull, _keeper(pinned)
    wished = [host for host in nodes.hypervisors if wish is not None and _selected(host, image, nodes)]
    # What was published is on its node for as long as the Image is: that comes before every wish.
    selected = [host for host in nodes.hypervisors if host.metadata.name == keeper and host not in wished]
    selected += wished
    chosen = {host.metadata.name for host in selected}
    withdrawn = [
        _patch(host, uid, None)
        for host in nodes.hypervisors
        if host.metadata.name not in chosen and _order(host, uid) is not None
    ]
    if not selected and wish is None:
        return Progress(tuple(withdrawn[:MOST_WRITES]), None)
    digest = pinned.digest
    there = [host for host in selected if _has(host, uid, digest)]
    fetching = [host for host in selected if _fetches(host, uid, digest)]
    missing = [host for host in selected if not _ordered(host, uid, digest)]
    room = [host for host in missing if _usable(host) and _has_room(host, uid)]
    begun = room[: max(0, FIRST + GROWTH * len(there) - len(fetching))]
    lost = may_log_in(image, nodes.logins.answers)
    blocked = lost if isinstance(lost, Blocker) else None
    ordered = _taken_back(nodes.hypervisors, uid) if blocked is not None else []
    for host in begun:
        match login(image, host, nodes.logins, PREPULL):
            case (Ask() | CopySecret()) as first:
                ordered.append(first)
            case Blocker() as found:
                blocked = found
            case None:
                ordered.append(_patch(host, uid, _new(image, pinned, host, nodes)))
    effects = tuple([*withdrawn, *ordered][:MOST_WRITES])
    if wish is None:
        return Progress(effects, None)
    present = [host for host in there if host in wished]
    message = blocked.message if blocked else _message(image, wished, present, missing, digest)
    status = PrePullStatus(selected=len(wished), present=len(present), message=message)
    return Progress(effects, status)


def _keeper(pinned: AssignedImage) -> str | None:
    """The node that published it."""
    made = pinned.source.published
    return made.node_name if made is not None else None


def keeps(host: Hypervisor, image: Image) -> bool:
    """Whether the node is told to keep it as it is pinned."""
    digest = image.status.digest if image.status is not None else None
    return digest is not None and _ordered(host, image.metadata.uid, digest)


def _taken_back(hosts: Collection[Hypervisor], uid: str) -> list[Effect]:
    """The login from those that were given it: they keep what they have, and get the rest from other nodes."""
    effects: list[Effect] = []
    for host in hosts:
        order = _order(host, uid)
        if order is not None and order.secret is not None:
            effects.append(_patch(host, uid, order.model_copy(update={"secret": None})))
            effects.append(Remove(secret_path(order.secret.namespace, order.secret.name)))
    return effects


def _selected(host: Hypervisor, image: Image, nodes: Nodes) -> bool:
    wish = image.spec.pre_pull
    labels = nodes.labels.get(host.metadata.name)
    if wish is None or labels is None or host.metadata.deleting:
        return False
    return selects(wish.node_selector.items(), labels)


def _message(
    image: Image,
    selected: Collection[Hypervisor],
    there: Collection[Hypervisor],
    missing: Collection[Hypervisor],
    digest: str,
) -> str:
    """One blocker is enough: the next shows when it is gone."""
    if not selected:
        return "no hypervisor has the labels of spec.prePull.nodeSelector"
    if len(there) == len(selected):
        return ""
    uid = image.metadata.uid
    for host in selected:
        report = report_of(host, uid, digest)
        if report is not None and report.state is ImportState.FAILED:
            return f"{host.metadata.name}: {report.reason}: {report.message}; tried again"[:1024]
    full = [host.metadata.name for host in missing if not _has_room(host, uid)]
    if full:
        return f"{full[0]} has {LONGEST} pre-pulls already"
    away = [host.metadata.name for host in selected if not _usable(host) and host not in there]
    if away:
        return f"{away[0]} is not Ready"
    return "they fetch it"


def _new(image: Image, pinned: AssignedImage, host: Hypervisor, nodes: Nodes) -> PrePullOrder:
    peers = list(nodes.peers(pinned.digest, host.metadata.name))
    return PrePullOrder(
        image_uid=image.metadata.uid,
        image=pinned.model_copy(update={"peers": peers}),
        secret=secret_of(image, host, PREPULL),
    )


def _patch(host: Hypervisor, uid: str, order: PrePullOrder | None) -> Patch[Hypervisor]:
    kept = [one for one in host.spec.pre_pulls if one.image_uid != uid]
    orders = [*kept, order] if order is not None else kept
    return Patch(HYPERVISOR, host, {"spec": {"prePulls": [one.wire() for one in orders]}})


def _order(host: Hypervisor, uid: str) -> PrePullOrder | None:
    return next((order for order in host.spec.pre_pulls if order.image_uid == uid), None)


def _ordered(host: Hypervisor, uid: str, digest: str) -> bool:
    order = _order(host, uid)
    return order is not None and order.image.digest == digest


def report_of(host: Hypervisor, uid: str, digest: str) -> PrePullReport | None:
    """What the node says of it."""
    reports = host.status.pre_pulls if host.status else []
    return next((r for r in reports if r.image_uid == uid and r.digest == digest), None)


def _has(host: Hypervisor, uid: str, digest: str) -> bool:
    report = report_of(host, uid, digest)
    return _ordered(host, uid, digest) and report is not None and report.state is ImportState.READY


def _fetches(host: Hypervisor, uid: str, digest: str) -> bool:
    """Counts only what moves: a node that is away or fails must not keep the others waiting."""
    report = report_of(host, uid, digest)
    pulling = report is None or report.state is ImportState.PULLING
    return _ordered(host, uid, digest) and pulling and _usable(host)


def _usable(host: Hypervisor) -> bool:
    return host.status is not None and is_true(host.status.conditions, "Ready")


def _has_room(host: Hypervisor, uid: str) -> bool:
    return _order(host, uid) is not None or len(host.spec.pre_pulls) < LONGEST
