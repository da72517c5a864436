"""The Assignment's bodies and patches: what is resolved, as the node is told. Pure.

Which of them is due is `protocol.decide`'s word alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from orlop_api.assigned_image import AssignedImage
from orlop_api.assignment import (
    ASSIGNMENT_NAMESPACE,
    USER_DATA_KEY,
    AssignedNic,
    AssignedSecret,
    AssignedVolume,
    Assignment,
    AssignmentSpec,
    Desired,
)
from orlop_api.attachment import chap_key
from orlop_api.ceph import CEPH_KEY, ceph_key
from orlop_api.claim import CLAIM_NAMESPACE as SYSTEM_NAMESPACE
from orlop_api.condition import Truth, find
from orlop_api.flavor import Flavor
from orlop_api.hypervisor import node_namespace
from orlop_api.identity import InstanceIdentity
from orlop_api.instance import Instance
from orlop_api.keypair import AssignedKey
from orlop_api.quantity import to_bytes
from orlop_api.resource import API_VERSION
from orlop_operator import protocol
from orlop_operator.kinds import ASSIGNMENT
from orlop_operator.reconcile.effects import Ask, Body, Copied, CopySecret, Create, Patch
from orlop_operator.reconcile.encryption import KEY_TROUBLES, passphrase
from orlop_operator.reconcile.instance import boot, nics
from orlop_operator.reconcile.instance.attachments import leaving, outdated
from orlop_operator.reconcile.instance.facts import Blocker, DiskFacts, Facts
from orlop_operator.reconcile.instance.volumes import held_by
from orlop_operator.reconcile.location import pinned
from orlop_operator.reconcile.rights import may_log_in
from orlop_operator.reconcile.source import credentials


def fact(instance: Instance) -> protocol.InstanceFact:
    """What the protocol has to know of an Instance."""
    return protocol.InstanceFact(instance.metadata.uid, instance.metadata.deleting, instance.spec.power_state)


def decide(facts: Facts, candidate: protocol.Candidate | None = None) -> protocol.Step:
    """The protocol's next step."""
    return protocol.decide(
        protocol.Facts(
            instance=protocol.Seen(fact(facts.instance)),
            assignment=protocol.Seen(facts.assignment, uncached=facts.assignment_is_fresh),
            candidate=candidate,
            data_follows=boot.data_follows(facts),
        )
    )


def unbound(instance: Instance, flavor: Flavor) -> Create[Assignment]:
    """The Assignment without a node."""
    spec = AssignmentSpec(
        instance=InstanceIdentity(
            namespace=instance.metadata.namespace, name=instance.metadata.name, uid=instance.metadata.uid
        ),
        vcpus=flavor.spec.vcpus,
        memory_bytes=to_bytes(flavor.spec.memory),
        root_disk_bytes=to_bytes(flavor.spec.root_disk) if instance.spec.boot.volume_ref is None else 0,
        instance_generation=instance.metadata.generation,
        **_ridealong(instance),
    )
    body = {
        "apiVersion": API_VERSION,
        "kind": "Assignment",
        "metadata": {"name": instance.metadata.uid, "namespace": ASSIGNMENT_NAMESPACE},
        "spec": spec.wire(),
    }
    return Create(ASSIGNMENT, body, ASSIGNMENT_NAMESPACE)


def binding(
    facts: Facts,
    step: protocol.ReadInstanceThenBind,
    image: AssignedImage | None,
    nics: tuple[AssignedNic, ...],
    volumes: tuple[AssignedVolume, ...],
    public_keys: tuple[AssignedKey, ...] = (),
) -> Body:
    """The merge patch that binds: everything resolved, in one write."""
    if facts.assignment is None:
        raise AssertionError
    instance = facts.instance
    secret = None
    keys = [part.key for part in secret_parts(facts)]
    if keys:
        secret = AssignedSecret(namespace=node_namespace(step.node), name=instance.metadata.uid, keys=keys)
    boots_from = facts.boot_disk.volume if facts.boot_disk is not None else None
    spec = facts.assignment.spec.model_copy(
        update={
            "node_name": step.node,
            "pool_id": step.pool_id,
            "epoch": step.epoch,
            "desired": Desired.RUNNING,
            "image": image and _with_peers(facts, image, step.node),
            "hardware": boot.hardware(facts),
            "boot_volume_uid": boots_from.metadata.uid if boots_from is not None else None,
            "nics": list(nics),
            "volumes": list(volumes),
            "public_keys": list(public_keys),
            "secret": secret,
            "instance_generation": instance.metadata.generation,
            **_ridealong(instance),
        }
    )
    # Also within image and secret, null takes away what an earlier binding had.
    return {"spec": spec.whole()}


def _with_peers(facts: Facts, image: AssignedImage, node: str) -> AssignedImage:
    """And nodes that have what this one fetches: of a Volume's image that is the kernel."""
    wanted = image.digest
    if facts.boot_disk is not None:
        wanted = image.kernel.digest if image.kernel is not None else ""
    return image.model_copy(update={"peers": list(facts.peers(wanted, node)) if wanted else []})


def changes(
    facts: Facts, desired: Desired | None, volumes: tuple[AssignedVolume, ...], wired: tuple[AssignedNic, ...]
) -> Patch[Assignment] | None:
    """What of a bound order follows the Instance's spec, and `desired` where the protocol wants another."""
    assignment = facts.assignment
    if assignment is None:
        return None
    wanted: Body = {}
    for name, value in _ridealong(facts.instance).items():
        if getattr(assignment.spec, name) != value:
            wanted |= _wire(name, value)
    if desired is not None:
        wanted["desired"] = desired.value
    rewired = list(wired) != assignment.spec.nics
    news = rewired or _told(volumes) != _told(assignment.spec.volumes)
    if news or _is_outdated(facts, assignment) or (wanted and list(volumes) != assignment.spec.volumes):
        # Both lists are only ever written together with the generation that they come from.
        wanted["volumes"] = [volume.wire() for volume in volumes]
        wanted |= {"nics": [nic.wire() for nic in wired]} if rewired else {}
        wanted["instanceGeneration"] = facts.instance.metadata.generation
    return Patch(ASSIGNMENT, assignment, {"spec": wanted}) if wanted else None


def without_leaving(facts: Facts) -> Patch[Assignment] | None:
    """The order as it is, without Volumes and NICs that the Instance does not list any more; None where it is so."""
    assignment = facts.assignment
    if assignment is None or not _is_outdated(facts, assignment):
        return None
    gone = {volume.metadata.uid for volume in leaving(facts)}
    kept = [volume.wire() for volume in assignment.spec.volumes if volume.volume_uid not in gone]
    spec: Body = {"volumes": kept, "instanceGeneration": facts.instance.metadata.generation}
    staying = nics.staying(facts, assignment)
    spec |= {"nics": [nic.wire() for nic in staying]} if staying != assignment.spec.nics else {}
    return Patch(ASSIGNMENT, assignment, {"spec": spec})


def _is_outdated(facts: Facts, assignment: Assignment) -> bool:
    """Whether something is to be let go, and the order does not say yet that it follows this Instance."""
    return outdated(facts, assignment) or nics.outdated(facts, assignment)


def is_newer(facts: Facts) -> bool:
    """Whether the order, or a claim on a Volume, follows a newer Instance than the one that is known here.

    The compare-and-swap on the Volume does not tell: whoever met a conflict has read the Volume anew, and may know
    Instance and order as they were. It would free what another operator claimed for the newer Instance, or claim it as
    of before, for a third one to free.
    """
    held = (held_by(facts.instance, volume) for volume in facts.used_volumes)
    claimed = max((claim.instance_generation for claim in held if claim is not None), default=0)
    ordered = facts.assignment.spec.instance_generation if facts.assignment is not None else 0
    return max(ordered, claimed) > facts.instance.metadata.generation


def _told(volumes: Iterable[AssignedVolume]) -> list[AssignedVolume]:
    """Without what is worth no write of its own: that the data was made is the node's own news."""
    return [volume.model_copy(update={"created": "Unknown"}) for volume in volumes]


def secret_parts(facts: Facts) -> tuple[Copied, ...]:
    """What the node needs and nobody else may read; of an Image's login only what its maker may still get."""
    spec, meta = facts.instance.spec.user_data, facts.instance.metadata
    lost = facts.image is None or isinstance(may_log_in(facts.image, facts.answers), Blocker)
    login = credentials(facts.image) if facts.image is not None and not lost else ()
    parts = [*map(_chap, facts.disks), *_ceph(facts.disks), *map(_passphrase, facts.disks), *login]
    if spec is not None:
        secret = (meta.namespace, spec.secret_ref.name, spec.secret_ref.key) if spec.secret_ref else None
        parts.append(Copied(USER_DATA_KEY, spec.inline, secret))
    return tuple(part for part in parts if part is not None)


def _chap(disk: DiskFacts) -> Copied | None:
    """The secret of the account that a Volume's target asks for: the platform's, whoever the requester is."""
    name = _chap_secret(disk)
    if disk.volume is None or name is None:
        return None
    return Copied(chap_key(disk.volume.metadata.uid), None, (SYSTEM_NAMESPACE, name, "password"))


def _chap_secret(disk: DiskFacts) -> str | None:
    """As it is written on the Volume; its class is asked before that, and of what was pinned without a name."""
    where = pinned(disk.volume) if disk.volume is not None else None
    unit = where.iscsi if where is not None else None
    if where is not None and (unit is None or unit.account is None):
        return None
    if unit is not None and unit.credentials is not None:
        return unit.credentials
    spec = disk.volume_class.spec.iscsi if disk.volume_class is not None else None
    secret = spec.credentials_secret_ref if spec is not None else None
    return secret.name if secret is not None else None


def _ceph(disks: Iterable[DiskFacts]) -> list[Copied]:
    """The keys of Ceph users for the disks, and what they begin as: one for each of the platform's Secrets."""
    names = dict.fromkeys(name for disk in disks for name in _ceph_secrets(disk))
    return [Copied(ceph_key(name), None, (SYSTEM_NAMESPACE, name, CEPH_KEY)) for name in names]


def _ceph_secrets(disk: DiskFacts) -> Iterator[str]:
    where = pinned(disk.volume) if disk.volume is not None else None
    spec = disk.volume_class.spec.rbd if disk.volume_class is not None and where is None else None
    if spec is not None and spec.credentials_secret_ref is not None:
        yield spec.credentials_secret_ref.name
    for status in (thing.status for thing in (disk.volume, disk.snapshot, disk.origin) if thing is not None):
        image = status.location.rbd if status is not None and status.location is not None else None
        if image is not None and image.credentials is not None:
            yield image.credentials


def _passphrase(disk: DiskFacts) -> Copied | None:
    return passphrase(disk.volume, disk.volume.metadata.uid) if disk.volume is not None else None


def node_secret(facts: Facts, node: str) -> CopySecret | None:
    """What must be where the node reads it before the node is bound."""
    namespace, name, parts = node_namespace(node), facts.instance.metadata.uid, secret_parts(facts)
    if not parts or (namespace, name) in facts.secrets:
        return None
    return CopySecret(namespace, name, parts)


def added_secret(
    facts: Facts, assignment: Assignment
) -> Ask | CopySecret | Patch[Assignment] | Blocker | None:
    """What a bound order does not say yet of its Secret: a Volume that comes may bring a key. Copied, then said.

    Copied again while the node cannot open a Volume with what it has: somebody may have put the right value there.
    """
    order, parts = assignment.spec, secret_parts(facts)
    keys, known = [part.key for part in parts], set(order.secret.keys if order.secret is not None else ())
    if order.node_name is None or (set(keys) <= known and not unlocks_nothing(assignment)):
        return None
    namespace, name = node_namespace(order.node_name), facts.instance.metadata.uid
    right = may_log_in(facts.image, facts.answers) if facts.image is not None else None
    if isinstance(right, Ask):
        return right
    if (namespace, name) not in facts.secrets:
        return CopySecret(namespace, name, parts)
    said = AssignedSecret(namespace=namespace, name=name, keys=keys)
    change = Patch(ASSIGNMENT, assignment, {"spec": {"secret": said.wire()}})
    return facts.secrets[namespace, name] or (change if set(keys) - known else None)


def unlocks_nothing(assignment: Assignment) -> bool:
    """Whether the node says that it could not open a Volume with the passphrase that it has."""
    said = protocol.answer(assignment)
    found = find(said.conditions, "VolumesReady") if said is not None else None
    return found is not None and found.status is Truth.FALSE and found.reason in KEY_TROUBLES


def _ridealong(instance: Instance) -> dict[str, Any]:
    spec = instance.spec
    return {
        "restarted_at": spec.restarted_at,
        "restart_policy": spec.restart_policy,
        "stop_policy": spec.stop_policy,
    }


def _wire(name: str, value: Any) -> Body:
    model = AssignmentSpec.model_fields[name]
    alias = model.alias or name
    return {alias: value.wire() if hasattr(value, "wire") else value}
