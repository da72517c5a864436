"""Where the data of a Volume is, or shall be, and which nodes reach it. Pure.

What the class said when the Volume was first attached is written on the Volume, and holds as long as there is data.
"""

from __future__ import annotations

from collections.abc import Iterable

from orlop_api.ceph import RbdLocation, RbdParameters
from orlop_api.condition import is_true
from orlop_api.hypervisor import Hypervisor
from orlop_api.volume import Attachment, Volume
from orlop_api.volume_class import (
    Driver,
    Encryption,
    IscsiLocation,
    IscsiParameters,
    LocalParameters,
    MultiAttach,
    NbdLocation,
    SharedLocation,
    VolumeClass,
    VolumeLocation,
)
from orlop_operator.scheduling import PoolNeed


def pinned(volume: Volume) -> VolumeLocation | None:
    """What is written on the Volume."""
    return volume.status.location if volume.status is not None else None


def holders(volume: Volume) -> list[Attachment]:
    """Who has it."""
    return volume.status.attachments if volume.status is not None else []


def takes_several(volume: Volume) -> bool:
    """Whether several Instances may have it at once."""
    return volume.status is not None and volume.status.multi_attach is MultiAttach.ENABLED


def who_has(volume: Volume) -> str:
    """For sentences: `Instance demo/a`, `Instances demo/a and demo/b`, `Instances demo/a, demo/b and 3 more`."""
    names = [f"{volume.metadata.namespace}/{held.instance_name}" for held in holders(volume)]
    if len(names) < 2:
        return f"Instance {''.join(names)}"
    last = f"{len(names) - 2} more" if len(names) > 3 else names[-1]
    return f"Instances {', '.join(names[:2] if len(names) > 3 else names[:-1])} and {last}"


def driver(volume: Volume, volume_class: VolumeClass) -> Driver:
    """Who keeps its data."""
    where = pinned(volume)
    return where.driver if where is not None else volume_class.spec.driver


def needed_pool(volume: Volume, volume_class: VolumeClass) -> PoolNeed | None:
    """The shared pool that a node must have."""
    where, spec = pinned(volume), volume_class.spec
    if where is not None:
        return None if where.shared is None else PoolNeed(where.shared.pool, where.shared.pool_id)
    return None if spec.shared is None else PoolNeed(spec.shared.pool)


def locate(volume: Volume, volume_class: VolumeClass, host: Hypervisor | None) -> VolumeLocation | None:
    """Where an Instance on this node finds the data; None where the node does not have the pool."""
    where = pinned(volume)
    if where is not None:
        return where if reaches(host, where) else None
    resolved = _resolved(volume, volume_class, host)
    if resolved is None or volume.spec.encryption is None:
        return resolved
    return resolved.model_copy(update={"encryption": Encryption.LUKS})


def _resolved(volume: Volume, volume_class: VolumeClass, host: Hypervisor | None) -> VolumeLocation | None:
    spec = volume_class.spec
    if spec.shared is not None:
        pool_id = pools(host).get(spec.shared.pool)
        if pool_id is None:
            return None
        return VolumeLocation(shared=SharedLocation(pool_id=pool_id, **spec.shared.model_dump()))
    if spec.nbd is not None:
        export = _filled(spec.nbd.export_name, volume)
        return VolumeLocation(nbd=NbdLocation(host=spec.nbd.host, port=spec.nbd.port, export=export))
    if spec.iscsi is not None:
        return VolumeLocation(iscsi=_unit(spec.iscsi, _filled(spec.iscsi.target_name, volume)))
    if spec.rbd is not None:
        return VolumeLocation(rbd=_image(spec.rbd))
    return VolumeLocation(local=spec.local or LocalParameters())


def maker(volume: Volume, volume_class: VolumeClass | None) -> str | None:
    """The node that makes the data by itself, before any Instance has it, where the class has one."""
    where = pinned(volume)
    if where is not None:
        return served_by(where)
    spec = volume_class.spec.iscsi if volume_class is not None else None
    return spec.tgt.hypervisor_name if spec is not None and spec.tgt is not None else None


def served_by(where: VolumeLocation) -> str | None:
    """The node of ours that makes the data and serves it to all others, if one does; it alone has the file."""
    return where.iscsi.tgt.hypervisor_name if where.iscsi is not None and where.iscsi.tgt else None


def held_elsewhere(volume: Volume) -> str | None:
    """Another node than the one that serves the data, whose guest may write to it now."""
    where, held = pinned(volume), next(iter(holders(volume)), None)
    server = served_by(where) if where is not None else None
    return held.node_name if server is not None and held is not None and held.node_name != server else None


def reaches(host: Hypervisor | None, where: VolumeLocation) -> bool:
    """Whether the node has the pool that the data is in. A node's own data pool is the scheduler's pin."""
    return where.shared is None or pools(host).get(where.shared.pool) == where.shared.pool_id


def anywhere(where: VolumeLocation) -> bool:
    """Whether several nodes reach the data, and any of them can do what is to be done to it."""
    return where.shared is not None or where.rbd is not None


def kept_by_others(where: VolumeLocation) -> bool:
    """Whether a server has the data that only itself can copy."""
    return where.nbd is not None or (where.iscsi is not None and served_by(where) is None)


def pools(host: Hypervisor | None) -> dict[str, str]:
    """The shared pools of a node, by name."""
    if host is None or host.status is None:
        return {}
    return {pool.name: pool.pool_id for pool in host.status.shared_pools}


def carrier(volume: Volume, hosts: Iterable[Hypervisor]) -> Hypervisor | None:
    """The node that works on data that several reach while no Instance has it: any of them that is alive.

    One that is at it already goes on.
    """
    where = pinned(volume)
    if where is None or not anywhere(where):
        return None
    able = [host for host in hosts if reaches(host, where) and _alive(host)]
    busy = (host for host in able if any(o.uid == volume.metadata.uid for o in host.spec.storage))
    return next(busy, min(able, key=lambda host: host.metadata.name, default=None))


def _image(spec: RbdParameters) -> RbdLocation:
    """Pool and user as they are, and whose Secret: what the class said may be gone when the data is to be deleted."""
    secret = spec.credentials_secret_ref.name if spec.credentials_secret_ref is not None else None
    return RbdLocation(credentials=secret, **spec.model_dump(exclude={"credentials_secret_ref"}))


def reader(volume: Volume, hosts: Iterable[Hypervisor]) -> Hypervisor | None:
    """The node that can read the data as it is: where a guest has it, or else where it is, or can be reached."""
    status = volume.status
    if status is None or status.location is None:
        return None
    server = served_by(status.location)
    if server is not None:
        return next((host for host in hosts if host.metadata.name == server), None)
    held = next(iter(holders(volume)), None)
    if held is None and anywhere(status.location):
        return carrier(volume, hosts)
    node = held.node_name if held is not None else status.node_name
    return next((host for host in hosts if host.metadata.name == node), None)


def alive(host: Hypervisor) -> bool:
    """Whether orders to it are carried out now."""
    return _alive(host) and not host.metadata.deleting


def _unit(spec: IscsiParameters, target: str) -> IscsiLocation:
    """Also whose Secret has the account's: the class may name another one by the time that it is opened again."""
    secret = spec.credentials_secret_ref.name if spec.credentials_secret_ref is not None else None
    unit = spec.model_dump(include={"host", "port", "lun", "account", "tgt"})
    return IscsiLocation(target=target, credentials=secret, **unit)


def _filled(template: str, volume: Volume) -> str:
    meta = volume.metadata
    return template.format(namespace=meta.namespace, name=meta.name, uid=meta.uid)


def _alive(host: Hypervisor) -> bool:
    return host.status is not None and is_true(host.status.conditions, "Ready")
