"""Facts for the plans, from the store. Reads only; no answer is waited for here."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from orlop_api.assignment import ASSIGNMENT_NAMESPACE
from orlop_api.claim import ClaimType
from orlop_api.image import Image
from orlop_api.instance import Instance, VolumeMount, disks_of
from orlop_api.keypair import KeyPair
from orlop_api.nic import NetworkInterface
from orlop_api.peer import ImagePeer, NodeCertificate
from orlop_api.quota import NAME as QUOTA_NAME
from orlop_api.requester import from_annotations
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_operator.claims import resting
from orlop_operator.kinds import (
    AGGREGATE,
    ASSIGNMENT,
    FLAVOR,
    FLOATING_IP,
    HYPERVISOR,
    IMAGE,
    INSTANCE,
    INSTANCE_GROUP,
    KEY_PAIR,
    NETWORK,
    NODE,
    PORT,
    QUOTA,
    VOLUME,
    VOLUME_CLASS,
    VOLUME_SNAPSHOT,
)
from orlop_operator.placements import Placements
from orlop_operator.reconcile import aggregate
from orlop_operator.reconcile.copies import published_as
from orlop_operator.reconcile.gather_groups import groups_of
from orlop_operator.reconcile.gather_lan import with_nodes
from orlop_operator.reconcile.gather_quota import stands
from orlop_operator.reconcile.hypervisor import HypervisorFacts
from orlop_operator.reconcile.instance.authorize import questions
from orlop_operator.reconcile.instance.facts import Blocker, DiskFacts, Facts, NicFacts
from orlop_operator.reconcile.network import NetworkFacts
from orlop_operator.reconcile.peers import peers_of
from orlop_operator.reconcile.port import PortFacts
from orlop_operator.reconcile.rights import of_image, of_volume
from orlop_operator.references import made_port
from orlop_operator.reviews import Reviews
from orlop_operator.store import Key, Store
from orlop_operator.verdicts import Verdicts

NO_CLAIMS: frozenset[str] = frozenset()


@dataclass
class Context:
    """What facts come from beside the object itself."""

    store: Store
    placements: Placements
    reviews: Reviews
    claimed: Collection[str] = NO_CLAIMS
    """Claims whose POST is under way."""
    certify: Callable[[str, str, NodeCertificate | None], NodeCertificate | None] = lambda *_: None
    """Signs for a node what it needs to talk to others."""
    refused: Callable[[str], Mapping[str, str]] = lambda _: {}
    """Nodes that refused the Instance with this uid lately, and why."""
    failed: Callable[[str], frozenset[str]] = lambda _: frozenset()
    """Nodes that refused the Instance with this uid some time."""
    verdicts: Verdicts = field(default_factory=Verdicts)
    """Why objects wait for their namespace's Quota."""

    @staticmethod
    def now() -> datetime:
        """The wall clock, for times in conditions only."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class Look:
    """What this look has found out so far."""

    secrets: Mapping[tuple[str, str], Blocker | None] = field(default_factory=dict)
    read: Collection[tuple[str, str, str]] = ()
    chosen: str | None = None


def instance_facts(context: Context, key: Key, look: Look) -> Facts | None:
    """All about an Instance; None where it does not exist."""
    store = context.store
    instance = store.get(INSTANCE, key.namespace, key.name)
    if instance is None:
        return None
    spec, meta = instance.spec, instance.metadata
    requester = from_annotations(meta.annotations)
    reference = spec.boot.image_ref
    image = store.get(IMAGE, reference.namespace or meta.namespace, reference.name) if reference else None
    disks = tuple(disk_facts(context, meta.namespace, mount) for mount in disks_of(spec))
    asked = questions(instance, requester) if requester else ()
    lent = of_image(image) if image is not None else ()
    begun = (question for disk in disks if disk.volume is not None for question in of_volume(disk.volume))
    facts = Facts(
        instance=instance,
        now=context.now(),
        assignment=store.assignment_of(meta.uid),
        assignment_is_fresh=(ASSIGNMENT.name, ASSIGNMENT_NAMESPACE, meta.uid) in look.read,
        flavor=store.get(FLAVOR, "", spec.flavor_name),
        image=image,
        nics=tuple(_nic(store, instance, nic) for nic in spec.networks),
        disks=disks,
        key_pairs=_key_pairs(store, instance),
        quota=store.get(QUOTA, meta.namespace, QUOTA_NAME),
        over_quota=context.verdicts.of(meta.namespace, meta.uid),
        answers=context.reviews.of((*asked, *lent, *begun)),
        secrets=look.secrets,
        excluded=context.refused(meta.uid),
        failed=context.failed(meta.uid),
        chosen=look.chosen,
        claimed=frozenset(context.claimed),
        place=context.placements.choose,
        domain=context.placements.domain,
        hypervisor=lambda name: store.get(HYPERVISOR, "", name),
        aggregate=lambda name: store.get(AGGREGATE, "", name),
        peers=lambda digest, node: peers(context, digest, node, meta.uid),
        cached=lambda digest: bool(context.placements.having(digest)),
        used_volumes=tuple(store.volumes_of(meta.uid)),
        made_ports=tuple(store.ports_of(meta.uid)),
        bound_ports=tuple(store.ports_bound_to(meta.uid)),
        **_group(context, instance),
        **_held(store, meta.uid),
    )
    return replace(facts, copied_by=published_as(store, meta.uid)) if meta.deleting else facts


def peers(context: Context, digest: str, node: str, seed: str) -> tuple[ImagePeer, ...]:
    """Nodes that the image may be had from; another seed begins with another one."""
    having = context.placements.having(digest)
    start = zlib.crc32(seed.encode()) % len(having) if having else 0
    hosts = (context.store.get(HYPERVISOR, "", name) for name in having[start:] + having[:start])
    return peers_of((host for host in hosts if host is not None), node)


def _key_pairs(store: Store, instance: Instance) -> dict[str, KeyPair]:
    found = (
        store.get(KEY_PAIR, instance.metadata.namespace, ref.name) for ref in instance.spec.key_pair_refs
    )
    return {pair.metadata.name: pair for pair in found if pair is not None}


def _nic(store: Store, instance: Instance, nic: NetworkInterface) -> NicFacts:
    namespace = instance.metadata.namespace
    name = nic.port_ref.name if nic.port_ref else made_port(instance.metadata.name, nic.name)
    port = store.get(PORT, namespace, name)
    network_name = nic.network_ref.name if nic.network_ref else port.spec.network_ref.name if port else ""
    network = store.get(NETWORK, namespace, network_name)
    claims = store.claims_of_network(network.metadata.uid) if network is not None else {}
    found = NicFacts(nic, port, network, claims)
    return replace(found, groups=groups_of(store, namespace, found.group_refs))


def disk_facts(context: Context, home: str, mount: VolumeMount) -> DiskFacts:
    store = context.store
    volume = store.get(VOLUME, home, mount.volume_ref.name)
    if volume is None:
        return DiskFacts(mount)
    volume_class = store.get(VOLUME_CLASS, "", volume.spec.class_name)
    standing = stands(store, context.verdicts, volume)
    return DiskFacts(mount, volume, volume_class, *origin_of(store, volume), standing)


def origin_of(store: Store, volume: Volume) -> tuple[Image | None, VolumeSnapshot | None, Volume | None]:
    """What a Volume begins as; one of them at most."""
    source, home = volume.spec.source, volume.metadata.namespace
    image, snapshot, origin = (
        (source.image_ref, source.snapshot_ref, source.volume_ref) if source is not None else (None,) * 3
    )
    return (
        store.get(IMAGE, image.namespace or home, image.name) if image else None,
        store.get(VOLUME_SNAPSHOT, home, snapshot.name) if snapshot else None,
        store.get(VOLUME, home, origin.name) if origin else None,
    )


def _group(context: Context, instance: Instance) -> dict[str, Any]:
    """The InstanceGroup that it names, and where the others of it are."""
    ref, store = instance.spec.placement.group_ref, context.store
    if ref is None:
        return {}
    key = Key(INSTANCE_GROUP.name, instance.metadata.namespace, ref.name)

    def companions() -> Mapping[str, int]:
        named = (
            store.get(INSTANCE, *each[1:]) for each in store.dependents(key) if each.kind == INSTANCE.name
        )
        others = (each.metadata.uid for each in named if each is not None)
        return context.placements.others(uid for uid in others if uid != instance.metadata.uid)

    group = store.get(INSTANCE_GROUP, key.namespace, key.name)
    return {"group": group, "order_of": store.assignment_of, "companions": companions}


def _held(store: Store, uid: str) -> dict[str, Any]:
    """What the Instance has claimed, and of which Networks."""
    held = dict(store.claims_of_holder(uid))
    keys = {of: store.by_uid(of) for of in {claim.spec.network_uid for claim in held.values()}}
    found = {of: store.get(NETWORK, key.namespace, key.name) for of, key in keys.items() if key is not None}
    return {"held": held, "networks": {of: network for of, network in found.items() if network is not None}}


def network_facts(context: Context, key: Key) -> NetworkFacts | None:
    """All about a Network."""
    store = context.store
    network = store.get(NETWORK, key.namespace, key.name)
    if network is None:
        return None
    held = dict(store.claims_of_holder(network.metadata.uid))
    settled = any(c.spec.type is ClaimType.SEGMENT for c in held.values())
    segments: set[str] = set()
    if not settled:
        segments = store.segments()
        segments |= {name.removeprefix("vni-") for name in context.claimed}
    # Who uses it is told where it is to go; until then only whether anybody does.
    most = None if network.metadata.deleting else 1
    ports, floating = (list(islice(store.naming(key, kind), most)) for kind in (PORT, FLOATING_IP))
    freed = (
        list(resting(store.claims_of_network(network.metadata.uid)).values())
        if network.metadata.deleting
        else []
    )
    facts = NetworkFacts(network, context.now(), held, segments, (), ports, freed, floating=floating)
    return with_nodes(store, facts)


def port_facts(context: Context, key: Key, *, user_is_gone: bool) -> PortFacts | None:
    """All about a Port."""
    store = context.store
    port = store.get(PORT, key.namespace, key.name)
    if port is None:
        return None
    network = store.get(NETWORK, key.namespace, port.spec.network_ref.name)
    claims = store.claims_of_network(network.metadata.uid) if network is not None else {}
    held = dict(store.claims_of_holder(port.metadata.uid))
    claimed = frozenset(context.claimed)
    groups = groups_of(store, key.namespace, port.spec.security_group_refs)
    standing = stands(store, context.verdicts, port)
    return PortFacts(port, context.now(), network, claims, held, claimed, user_is_gone, groups, standing)


@dataclass(frozen=True)
class Existing:
    """Uids of all objects of some kinds, none of which is looked at before somebody asks for it."""

    store: Store
    kinds: frozenset[str]

    def __contains__(self, uid: object) -> bool:
        key = self.store.by_uid(uid) if isinstance(uid, str) else None
        return key is not None and key.kind in self.kinds


def hypervisor_facts(context: Context, key: Key, silent_for: float | None) -> HypervisorFacts:
    """All about a node; there may be no object yet, or none any more."""
    store = context.store
    node, hypervisor = store.get(NODE, "", key.name), store.get(HYPERVISOR, "", key.name)
    return HypervisorFacts(
        name=key.name,
        now=context.now(),
        node=node,
        hypervisor=hypervisor,
        ratios=aggregate.ratios(store, node, hypervisor),
        silent_for=silent_for,
        certify=context.certify,
        bound=store.count_on(key.name),
        images=Existing(store, frozenset({IMAGE.name})),
        data=Existing(store, frozenset({VOLUME.name, VOLUME_SNAPSHOT.name})),
    )
