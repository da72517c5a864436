"""Orders to fetch an Image for the first time or anew, and what a node must be able to read before. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orlop_api.assignment import AssignedSecret
from orlop_api.hypervisor import Hypervisor, ImportOrder, ImportReport, PublishedOrigin, node_namespace
from orlop_api.image import Image, KernelFile
from orlop_api.source import FileSource, OrderedFile, OrderedSignature, PublishedLocation
from orlop_operator.kinds import HYPERVISOR
from orlop_operator.reconcile.effects import Ask, Body, CopySecret, Effect, Patch, Question, Remove
from orlop_operator.reconcile.instance.facts import Blocker
from orlop_operator.reconcile.node_secret import Secrets, secret_path
from orlop_operator.reconcile.rights import may_log_in
from orlop_operator.reconcile.source import credentials, located, located_file

IMPORT, PREPULL = "import", "prepull"
FIRST_RETRY = 10.0
LONGEST_RETRY = 300.0
_TIMED = 10**12
"""From here on a generation is a time in milliseconds, and after that, in three digits, the try."""


@dataclass(frozen=True)
class Logins:
    """What this look has found out about what sources ask for."""

    secrets: Secrets = field(default_factory=dict)
    """Namespace and name of what was put where a node reads it, and why it could not be."""
    answers: Mapping[Question, bool] = field(default_factory=dict)
    """What the authorizer said lately."""


def secret_name(what: str, image_uid: str) -> str:
    """The name of the node's Secret with what fetching an Image needs."""
    return f"{what}-{image_uid}"


def login(
    image: Image, host: Hypervisor, logins: Logins, what: str = IMPORT
) -> Ask | CopySecret | Blocker | None:
    """What must be where the node reads it before it is asked to fetch; None when it is, or nothing is needed.

    Whoever made the Image is asked for again each time: the right may be lost.
    """
    namespace, parts = node_namespace(host.metadata.name), credentials(image)
    name = secret_name(what, image.metadata.uid)
    if not parts:
        return None
    if (namespace, name) in logins.secrets:
        return logins.secrets[namespace, name]
    return may_log_in(image, logins.answers) or CopySecret(namespace, name, parts)


def secret_of(image: Image, host: Hypervisor, what: str = IMPORT) -> AssignedSecret | None:
    """Where the node finds it."""
    keys = [part.key for part in credentials(image)]
    namespace, name = node_namespace(host.metadata.name), secret_name(what, image.metadata.uid)
    return AssignedSecret(namespace=namespace, name=name, keys=keys) if keys else None


def new_order(image: Image, host: Hypervisor, origin: PublishedOrigin | None = None) -> ImportOrder:
    """For whatever the source has now, also where an earlier look pinned something; or to make it of `origin`."""
    spec, boot = image.spec, image.spec.kernel_boot
    return ImportOrder(
        image_uid=image.metadata.uid,
        source=(
            FileSource(published=PublishedLocation(node_name=host.metadata.name))
            if origin is not None
            else located(image, pinned=False)
        ),
        origin=origin,
        secret=secret_of(image, host),
        checksum=spec.checksum,
        signature=OrderedSignature(**spec.signature.model_dump()) if spec.signature else None,
        format=spec.format,
        kernel=_beside(boot.kernel) if boot else None,
        initrd=_beside(boot.initrd) if boot and boot.initrd else None,
    )


def timed(order: ImportOrder, now: datetime) -> ImportOrder:
    """One that no late answer to an order before it counts for: that may have been about other data."""
    return order.model_copy(update={"generation": int(now.timestamp() * 1000) * 1000})


def retry_delay(generation: int) -> float:
    """Seconds between a failure and the next try."""
    tries = generation % 1000 if generation >= _TIMED else generation
    # Tries go on for ever, and a power of any of them would overflow.
    return min(FIRST_RETRY * 2.0 ** min(tries, 16), LONGEST_RETRY)


def withdraw(host: Hypervisor, image: Image) -> tuple[Effect, ...]:
    """The order, and what was put there for it."""
    uid = image.metadata.uid
    gone = [order for order in host.spec.imports if order.image_uid == uid]
    secrets = [order.secret for order in gone if order.secret is not None]
    return (
        imports(host, [order for order in host.spec.imports if order not in gone]),
        *(Remove(secret_path(secret.namespace, secret.name)) for secret in secrets),
    )


def imports(host: Hypervisor, orders: list[ImportOrder]) -> Patch[Hypervisor]:
    """These and no others."""
    return Patch(HYPERVISOR, host, {"spec": {"imports": [order.wire() for order in orders]}})


def _beside(file: KernelFile) -> OrderedFile:
    return OrderedFile(source=located_file(file), checksum=file.checksum)


def ordered_from(image: Image, hosts: Collection[Hypervisor]) -> list[Hypervisor]:
    """Nodes that have an order for it."""
    return [host for host in hosts if any(o.image_uid == image.metadata.uid for o in host.spec.imports)]


def answer_to(host: Hypervisor, order: ImportOrder) -> ImportReport | None:
    """What the node says of this very order."""
    reports = host.status.imports if host.status else []
    found = next((r for r in reports if r.image_uid == order.image_uid), None)
    return found if found is not None and found.generation == order.generation else None


def pins(report: ImportReport) -> Body:
    """Fields of the status that say what the Image is."""
    pinned = {
        "digest": report.digest,
        "reference": report.reference,
        "contentDigest": report.content_digest,
        "kernelDigest": report.kernel_digest,
        "initrdDigest": report.initrd_digest,
        "format": report.format.value if report.format else None,
        "sizeBytes": report.size_bytes,
        "virtualSizeBytes": report.virtual_size_bytes,
    }
    return {name: value for name, value in pinned.items() if value is not None}
