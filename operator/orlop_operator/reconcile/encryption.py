"""The passphrase of an encrypted Volume: whose Secret holds it, and how a node gets it that works on the data. Pure.

Secrets are not watched. So while a node says that a passphrase does not fit, it is given the present one every now
and then.
"""

from __future__ import annotations

from orlop_api.assignment import AssignedSecret
from orlop_api.attachment import luks_key
from orlop_api.hypervisor import Hypervisor, node_namespace
from orlop_api.storage import StorageOrder, StorageReport
from orlop_api.volume import Volume
from orlop_api.volume_class import Driver, MultiAttach, VolumeClass
from orlop_operator.reconcile.effects import Copied, CopySecret, Plan
from orlop_operator.reconcile.instance.facts import Blocker
from orlop_operator.reconcile.location import driver, maker, pinned, takes_several
from orlop_operator.reconcile.node_secret import Secrets
from orlop_operator.reconcile.storage import (
    giving,
    is_keyless,
    server_keys,
    storage_order,
    storage_report,
)

MADE_ONLY = (
    "spec.encryption is for classes of driver local, shared and rbd, and of iscsi with tgt, where Orlop makes the"
    " targets: an export or a target that is there already holds what its owner put there"
)
ONE_GUEST = (
    "spec.encryption is for Volumes that one Instance has at a time: the class has multiAttach Enabled"
)
KEY_TROUBLES = frozenset({"KeyWrong", "KeyInvalid", "KeyMissing"})
"""Reasons of a node that another value of the Secret may help against."""
KEY_AGAIN = 10.0
"""Seconds after which a node that is in such trouble is given the Secret's present value."""


def passphrase(volume: Volume, uid: str) -> Copied | None:
    """What the node needs to open data with this uid: the Volume's own, or that of a snapshot of it."""
    spec = volume.spec.encryption
    if spec is None:
        return None
    where = (volume.metadata.namespace, spec.secret_ref.name, spec.secret_ref.key)
    return Copied(luks_key(uid), secret=where)


def refusal(volume: Volume, volume_class: VolumeClass) -> str | None:
    """Why it cannot be kept as its spec says; None where it can."""
    if volume.spec.encryption is None:
        return None
    if pinned(volume) is not None:
        # Whatever a class says that has the name now.
        several = takes_several(volume)
    else:
        several = volume_class.spec.multi_attach is MultiAttach.ENABLED
    if several:
        return ONE_GUEST
    kept = driver(volume, volume_class)
    made = kept in {Driver.LOCAL, Driver.SHARED, Driver.RBD} or maker(volume, volume_class) is not None
    return None if made else MADE_ONLY


def keyed(host: Hypervisor, order: StorageOrder, volume: Volume) -> StorageOrder:
    """The order, saying where the passphrase is, if it needs one, beside what else opens the data."""
    parts = _opening(order, volume)
    if not parts:
        return order
    namespace = node_namespace(host.metadata.name)
    where = AssignedSecret(namespace=namespace, name=f"volume-{order.uid}", keys=[part.key for part in parts])
    return order.model_copy(update={"secret": where})


def asking(host: Hypervisor, order: StorageOrder, volume: Volume, secrets: Secrets) -> Plan | Blocker | None:
    """As `giving`, and its passphrase before it; anew, where the one that the node has does not fit."""
    parts, where = _opening(order, volume), order.secret
    if not parts or where is None:
        return giving(host, order, secrets)
    report = storage_report(host, order)
    if storage_order(host, order.uid) == order and not in_trouble(report) and not is_keyless(report):
        return None
    if (where.namespace, where.name) not in secrets:
        return Plan((CopySecret(where.namespace, where.name, parts),))
    return secrets[where.namespace, where.name] or giving(host, order, secrets)


def _opening(order: StorageOrder, volume: Volume) -> tuple[Copied, ...]:
    """What the node needs for data that is encrypted: nothing for other."""
    part = passphrase(volume, order.uid)
    return (*server_keys(order.location), part) if part is not None else ()


def in_trouble(report: StorageReport | None) -> bool:
    """Whether the node could not open the data."""
    return report is not None and report.reason in KEY_TROUBLES
