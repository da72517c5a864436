"""Which objects an object names: when one of those changes, this one wants another look. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orlop_api.floating_ip import FloatingIP
from orlop_api.image import Image
from orlop_api.instance import Instance, disks_of
from orlop_api.port import Port
from orlop_api.resource import LocalRef
from orlop_api.router import Router
from orlop_api.security_group import SecurityGroup, listed, remotes
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_operator.kinds import (
    FLAVOR,
    IMAGE,
    INSTANCE,
    INSTANCE_GROUP,
    KEY_PAIR,
    NETWORK,
    PORT,
    SECURITY_GROUP,
    VOLUME,
    VOLUME_CLASS,
    VOLUME_SNAPSHOT,
    Object,
    OwnedPort,
)

Reference = tuple[str, str, str]
"""Kind, namespace, name."""


def made_port(instance_name: str, nic_name: str) -> str:
    """Name of the Port that Orlop makes for a NIC."""
    return f"{instance_name}-{nic_name}"


def references(thing: Object) -> Iterator[Reference]:
    """All that it names, whether that exists or not."""
    if isinstance(thing, Instance):
        yield from _of_instance(thing)
    elif isinstance(thing, Port):
        yield NETWORK.name, thing.metadata.namespace, thing.spec.network_ref.name
        # One that Orlop made is in the groups that its Instance lists.
        if not isinstance(thing, OwnedPort) or thing.owner_uid is None:
            yield from _groups(thing.metadata.namespace, thing.spec.security_group_refs)
    elif isinstance(thing, SecurityGroup):
        for name in remotes(thing):
            yield SECURITY_GROUP.name, thing.metadata.namespace, name
    elif isinstance(thing, Router):
        for ref in thing.spec.networks:
            yield NETWORK.name, thing.metadata.namespace, ref.name
    elif isinstance(thing, FloatingIP):
        yield from _of_floating_ip(thing)
    elif isinstance(thing, Volume):
        yield from _of_volume(thing)
    elif isinstance(thing, VolumeSnapshot):
        yield VOLUME.name, thing.metadata.namespace, thing.spec.volume_ref.name
    elif isinstance(thing, Image):
        source, home = thing.spec.source, thing.metadata.namespace
        if source.volume_ref is not None:
            yield VOLUME.name, home, source.volume_ref.name
        if source.instance_ref is not None:
            yield INSTANCE.name, home, source.instance_ref.name


def _groups(namespace: str, refs: Sequence[LocalRef]) -> Iterator[Reference]:
    """Those that are listed, or the one that counts where none is."""
    for name in listed(refs):
        yield SECURITY_GROUP.name, namespace, name


def _of_floating_ip(floating: FloatingIP) -> Iterator[Reference]:
    spec, home = floating.spec, floating.metadata.namespace
    yield NETWORK.name, spec.network_ref.namespace or home, spec.network_ref.name
    if spec.port_ref is not None:
        yield PORT.name, home, spec.port_ref.name


def _of_volume(volume: Volume) -> Iterator[Reference]:
    spec, namespace = volume.spec, volume.metadata.namespace
    yield VOLUME_CLASS.name, "", spec.class_name
    if spec.restore is not None:
        yield VOLUME_SNAPSHOT.name, namespace, spec.restore.snapshot_ref.name
    if spec.source is None:
        return
    image, snapshot, origin = spec.source.image_ref, spec.source.snapshot_ref, spec.source.volume_ref
    if image is not None:
        yield IMAGE.name, image.namespace or namespace, image.name
    if snapshot is not None:
        yield VOLUME_SNAPSHOT.name, namespace, snapshot.name
    if origin is not None:
        yield VOLUME.name, namespace, origin.name


def _of_instance(instance: Instance) -> Iterator[Reference]:
    spec, namespace = instance.spec, instance.metadata.namespace
    yield FLAVOR.name, "", spec.flavor_name
    image = spec.boot.image_ref
    if image is not None:
        yield IMAGE.name, image.namespace or namespace, image.name
    for nic in spec.networks:
        if nic.network_ref is not None:
            yield NETWORK.name, namespace, nic.network_ref.name
            yield PORT.name, namespace, made_port(instance.metadata.name, nic.name)
            yield from _groups(namespace, nic.security_group_refs)
        if nic.port_ref is not None:
            yield PORT.name, namespace, nic.port_ref.name
    for mount in disks_of(spec):
        yield VOLUME.name, namespace, mount.volume_ref.name
    for pair in spec.key_pair_refs:
        yield KEY_PAIR.name, namespace, pair.name
    if spec.placement.group_ref is not None:
        yield INSTANCE_GROUP.name, namespace, spec.placement.group_ref.name
