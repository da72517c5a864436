"""Which objects want a look when one has changed. Pure, over what the store knows."""

from __future__ import annotations

from collections.abc import Iterator

from orlop_api.assignment import ASSIGNMENT_NAMESPACE, Assignment
from orlop_api.claim import Claim, ClaimType
from orlop_api.condition import is_true
from orlop_api.floating_ip import FloatingIP
from orlop_api.hypervisor import NODE_ACCOUNTS_NAMESPACE, Hypervisor
from orlop_api.image import Image
from orlop_api.instance import Instance
from orlop_api.port import Port
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_operator.aggregate_wakes import of_aggregates
from orlop_operator.group_wakes import is_news, of_groups
from orlop_operator.kinds import (
    ASSIGNMENT,
    FLOATING_IP,
    HYPERVISOR,
    IMAGE,
    NETWORK,
    ROUTER,
    SERVICE,
    VOLUME,
    Lease,
    Node,
    Object,
    OwnedPort,
)
from orlop_operator.quota_wakes import of_quotas
from orlop_operator.reconcile.gather_service import services_for, services_in
from orlop_operator.reconcile.source import published
from orlop_operator.references import references
from orlop_operator.service import Service, asks
from orlop_operator.store import Change, Key, Store

RECONCILED = frozenset({
    "Instance", "Aggregate", "FloatingIP", "Image", "InstanceGroup", "KeyPair", "Network", "Port", "Quota", "Router",
    "SecurityGroup", "Volume", "VolumeSnapshot", "Hypervisor",
})  # fmt: skip
"""Kinds that have a plan of their own; an Assignment is planned with its Instance, while there is one."""


def wakes(change: Change, store: Store) -> Iterator[Key]:
    """Keys of what wants another look, the changed object's own among them."""
    thing = change.new or change.old
    if thing is None:
        return
    key = change.key
    if key.kind in RECONCILED and not (
        isinstance(thing, OwnedPort) and thing.owner_uid and not thing.metadata.deleting
    ):
        yield key
    for dependent in store.dependents(key) if is_news(change) else ():
        yield dependent
        if dependent.kind == VOLUME.name:
            # What a Volume begins as: its Instance waits for that.
            yield from store.dependents(dependent)
    yield from _of(change, thing, store)
    yield from of_quotas(change, store)
    yield from of_groups(change, store)
    yield from of_aggregates(change, store)


def is_of_others(store: Store, key: Key) -> bool:
    """Whether it is a Service that has nothing to do with Instances."""
    service = store.get(SERVICE, key.namespace, key.name) if key.kind == SERVICE.name else None
    return service is not None and not asks(service)


def _is_followed(thing: Object) -> bool:
    """A Port that Orlop made is planned with its Instance, until somebody deletes it."""
    return isinstance(thing, OwnedPort) and thing.owner_uid is not None and not thing.metadata.deleting


def _of(change: Change, thing: Object, store: Store) -> Iterator[Key]:
    match thing:
        case Assignment():
            yield from _of_assignment(change, thing, store)
        case Service():
            # One that led to Instances and does no more has to let go.
            if any(isinstance(each, Service) and asks(each) for each in (change.old, change.new)):
                yield change.key
        case FloatingIP():
            for service in services_in(store, thing.metadata.namespace):
                yield Key(SERVICE.name, thing.metadata.namespace, service.metadata.name)
            # The Network waits for the last one of it to go.
            if change.new is None:
                yield from (Key(*reference) for reference in references(thing))
        case Instance():
            yield from _of_backend(change, store)
            # What it used may have waited for its end, and an Assignment must not stay without it.
            if change.new is None:
                yield from (Key(*reference) for reference in references(thing))
                yield Key(ASSIGNMENT.name, ASSIGNMENT_NAMESPACE, thing.metadata.uid)
        case Claim():
            yield from _of_claim(change, thing, store)
        case Node():
            yield Key(HYPERVISOR.name, "", thing.metadata.name)
            if change.old is None or change.new is None or _labels(change.old) != _labels(change.new):
                yield from _prepulled(store)
                yield from _on_physical(store)
        case Lease():
            if thing.metadata.namespace == NODE_ACCOUNTS_NAMESPACE and _revives(change):
                yield Key(HYPERVISOR.name, "", thing.metadata.name)
        case Hypervisor():
            yield from _of_hypervisor(thing, store)
            if _physical(change.old) != _physical(change.new):
                for floating in store.all(FLOATING_IP):
                    yield Key(FLOATING_IP.name, floating.metadata.namespace, floating.metadata.name)
                yield from _on_physical(store)
            routers = (store.by_uid(uid) for uid, _, _ in _unrouted(change.old) ^ _unrouted(change.new))
            yield from (key for key in routers if key is not None)
            if change.old is None or change.new is None:
                yield from _prepulled(store)
        case Port() | Volume() | VolumeSnapshot() | Image():
            yield from _of_referred(change, thing, store)
        case _:
            return


def _of_backend(change: Change, store: Store) -> Iterator[Key]:
    """Services that lead to the Instance, or led there, where that makes a difference to them."""
    if _as_backend(change.old) == _as_backend(change.new):
        return
    for each in (change.old, change.new):
        if isinstance(each, Instance):
            yield from services_for(store, each)


def _as_backend(thing: Object | None) -> object:
    if not isinstance(thing, Instance):
        return None
    meta, status = thing.metadata, thing.status
    ready = status is not None and is_true(status.conditions, "Ready")
    return meta.uid, meta.labels, meta.deleting, ready, status.node_name if status is not None else None


def _of_assignment(change: Change, thing: Assignment, store: Store) -> Iterator[Key]:
    identity = thing.spec.instance
    instance = store.by_uid(identity.uid)
    yield instance if instance is not None else change.key
    for uid in {uid for uid, _ in _made_volumes(change.new) ^ _made_volumes(change.old)}:
        volume = store.by_uid(uid)
        if volume is not None:
            yield volume
    if change.new is None and thing.spec.node_name is not None:
        yield Key(HYPERVISOR.name, "", thing.spec.node_name)


def _made_volumes(thing: Object | None) -> frozenset[tuple[str, int | None]]:
    """Volumes that have data, and how large they are."""
    if isinstance(thing, Assignment) and thing.status is not None:
        sizes = {volume.volume_uid: volume.size_bytes for volume in thing.status.volume_sizes}
        return frozenset((uid, sizes.get(uid)) for uid in thing.status.created_volumes)
    return frozenset()


def _of_claim(change: Change, thing: Claim, store: Store) -> Iterator[Key]:
    """One that is given back may be what somebody waits for; a new one is nobody's business."""
    if change.new is None and thing.spec.type is ClaimType.LAN:
        yield from _on_physical(store)
    was_freed = isinstance(change.old, Claim) and not change.old.is_held
    if change.new is not None:
        if thing.is_held:
            return
        yield change.key
    network = store.by_uid(thing.spec.network_uid)
    if network is not None and change.new is None:
        yield network
    if was_freed:
        # Who waited was woken when it was given back, and could have it then.
        return
    if network is not None:
        yield from _waiting(thing, network, store)
    holder = store.by_uid(thing.spec.holder.uid)
    if holder is not None:
        yield holder


def _waiting(claim: Claim, network: Key, store: Store) -> Iterator[Key]:
    """Who may wait for it; Routers wait for Networks, FloatingIPs for Ports, all others for addresses."""
    if claim.spec.type in {ClaimType.ROUTER, ClaimType.FLOATING}:
        kind = ROUTER if claim.spec.type is ClaimType.ROUTER else FLOATING_IP
        yield from (key for key in store.dependents(network) if key.kind == kind.name)
    else:
        yield from store.lacking(network)


def _revives(change: Change) -> bool:
    """Renewals come every few seconds and change nothing; a first or last one does."""
    return change.old is None or change.new is None


def _labels(thing: Object) -> object:
    return thing.metadata.labels


def _prepulled(store: Store) -> Iterator[Key]:
    """Images that some nodes shall have early, or one keeps: another node may be one of those."""
    for image in store.all(IMAGE):
        if image.spec.pre_pull is not None or published(image):
            yield Key(IMAGE.name, image.metadata.namespace, image.metadata.name)


def _of_hypervisor(thing: Hypervisor, store: Store) -> Iterator[Key]:
    images = [order.image_uid for order in thing.spec.imports]
    images += [order.image_uid for order in thing.spec.pre_pulls]
    for uid in images:
        key = store.by_uid(uid)
        if key is not None:
            yield key
    for asked in thing.spec.storage:
        key = store.by_uid(asked.uid)
        if key is not None:
            yield key


def _physical(thing: Object | None) -> list[object]:
    """Physical networks of a node."""
    status = thing.status if isinstance(thing, Hypervisor) else None
    return [*status.physical_networks, *status.physical_interfaces] if status is not None else []


def _on_physical(store: Store) -> Iterator[Key]:
    """Networks on a physical one: they say how many nodes have it, and may wait for a VLAN."""
    for network in store.all(NETWORK):
        if network.is_on_physical:
            yield Key(NETWORK.name, network.metadata.namespace, network.metadata.name)


def _unrouted(thing: Object | None) -> frozenset[tuple[str, str, str]]:
    """What a node says of Routers that it cannot have as they shall be."""
    status = thing.status if isinstance(thing, Hypervisor) else None
    found = status.unrouted if status is not None else []
    return frozenset((each.router_uid, each.reason, each.message) for each in found)


def _of_referred(change: Change, thing: Object, store: Store) -> Iterator[Key]:
    """The Network waits for its last Port to go; a node may have orders for a Volume or an Image."""
    if isinstance(thing, Port):
        # A SecurityGroup that is deleted waits for the last Port that it is in force for.
        left = (store.by_uid(uid) for uid in _guards(change.old) - _guards(change.new))
        yield from (key for key in left if key is not None)
        if isinstance(thing, OwnedPort) and thing.owner_uid is not None and change.old is None:
            # It may have been made for a NIC that its Instance does not list any more.
            owner = store.by_uid(thing.owner_uid)
            yield from (owner,) if owner is not None else ()
    if change.new is not None:
        return
    if isinstance(thing, Port):
        yield from (Key(*reference) for reference in references(thing))
    else:
        for host in store.all(HYPERVISOR):
            if thing.metadata.uid in _ordered(host):
                yield Key(HYPERVISOR.name, "", host.metadata.name)


def _ordered(host: Hypervisor) -> set[str]:
    """Uids of what a node has orders for."""
    images = {order.image_uid for order in host.spec.imports}
    images |= {order.image_uid for order in host.spec.pre_pulls}
    return images | {order.uid for order in host.spec.storage}


def _guards(thing: Object | None) -> frozenset[str]:
    """Uids of the SecurityGroups in force for a Port."""
    status = thing.status if isinstance(thing, Port) else None
    return frozenset((status.security_groups if status is not None else None) or ())
