"""Orders to a node about the data of Volumes: whether one is given, what came of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_api.assignment import AssignedSecret
from orlop_api.ceph import CEPH_KEY, ceph_key
from orlop_api.claim import CLAIM_NAMESPACE as SYSTEM_NAMESPACE
from orlop_api.hypervisor import Hypervisor, node_namespace
from orlop_api.storage import STORAGE_ORDERS, StorageOrder, StorageReport, StorageState
from orlop_api.volume_class import VolumeLocation
from orlop_operator.kinds import HYPERVISOR
from orlop_operator.reconcile.effects import Copied, CopySecret, Effect, Patch, Plan, Remove
from orlop_operator.reconcile.node_secret import Secrets, secret_path

_KEYLESS = frozenset({"CredentialsMissing", "CredentialsDamaged", "CredentialsRefused"})
FULL_AGAIN = 10.0
"""Seconds after which a node that has too many orders is looked at again."""


def storage_order(host: Hypervisor, uid: str) -> StorageOrder | None:
    """What the node is asked to do with the data of this object."""
    return next((order for order in host.spec.storage if order.uid == uid), None)


def storage_report(host: Hypervisor, order: StorageOrder) -> StorageReport | None:
    """The answer to this very order."""
    reports = host.status.storage if host.status else []
    wanted = (order.uid, order.action, order.generation)
    return next((r for r in reports if (r.uid, r.action, r.generation) == wanted), None)


def over(host: Hypervisor, order: StorageOrder) -> bool:
    """Whether the node is through with it, done or not."""
    report = storage_report(host, order)
    return report is not None and report.state is not StorageState.PENDING


def pool_changed(host: Hypervisor, pool_id: str | None) -> bool:
    """Whether the node's data pool is another one than this: then nothing that it says of the data is about it."""
    now = host.status.pool_id if host.status is not None else None
    return pool_id is not None and now is not None and now != pool_id


def giving(host: Hypervisor, order: StorageOrder, secrets: Secrets) -> Plan | None:
    """What gives the order, in the place of an older one about the same object; None where it is given.

    What opens the data is put there before, and again when the node says that it cannot use it. A node that has too
    many orders already is looked at again.
    """
    copy, older = _key(host, order), storage_order(host, order.uid)
    asked = order.model_copy(update={"secret": _secret(copy)}) if copy is not None else order
    if copy is not None and (copy.namespace, copy.name) not in secrets:
        report = storage_report(host, order)
        if older != asked or is_keyless(report):
            return Plan((copy,))
    if older == asked:
        return None
    others = [known for known in host.spec.storage if known.uid != order.uid]
    if len(others) >= STORAGE_ORDERS:
        return Plan(again_after=FULL_AGAIN)
    unread = _unread([older]) if older is not None and asked.secret is None else ()
    return Plan((_storage(host, [*others, asked]), *unread))


def is_keyless(report: StorageReport | None) -> bool:
    """Whether the node lacks what the data's server asks for."""
    return report is not None and report.reason in _KEYLESS


def server_keys(where: VolumeLocation) -> tuple[Copied, ...]:
    """What the data's server asks of a node that works on it."""
    image = where.rbd
    if image is None or image.credentials is None:
        return ()
    return (Copied(ceph_key(image.credentials), secret=(SYSTEM_NAMESPACE, image.credentials, CEPH_KEY)),)


def why(report: StorageReport | None) -> str:
    """The node's own words, for the end of a sentence."""
    return f": {report.message}" if report is not None and report.message else ""


def taken_back(host: Hypervisor, uid: str) -> tuple[Effect, ...]:
    """Ask for it no more, and let the node read no more of what it needed for it."""
    kept = [known for known in host.spec.storage if known.uid != uid]
    return (_storage(host, kept), *_unread(known for known in host.spec.storage if known.uid == uid))


def _unread(orders: Iterable[StorageOrder]) -> tuple[Remove, ...]:
    secrets = [order.secret for order in orders if order.secret is not None]
    return tuple(Remove(secret_path(secret.namespace, secret.name)) for secret in secrets)


def _storage(host: Hypervisor, orders: list[StorageOrder]) -> Patch[Hypervisor]:
    return Patch(HYPERVISOR, host, {"spec": {"storage": [order.wire() for order in orders]}})


def _key(host: Hypervisor, order: StorageOrder) -> CopySecret | None:
    """What the node needs to open the data; should it not be there, the node says what it lacks.

    None where the order says already what it needs, and who made it so has put that there.
    """
    parts = server_keys(order.location) if order.secret is None else ()
    return CopySecret(node_namespace(host.metadata.name), f"volume-{order.uid}", parts) if parts else None


def _secret(copy: CopySecret) -> AssignedSecret:
    return AssignedSecret(namespace=copy.namespace, name=copy.name, keys=[part.key for part in copy.parts])
