"""The Assignment's bodies and patches: what is resolved, as the node is told. Pure.

Which of them is due is `protocol.decide`'s word alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orlop_api.assignment import (
    ASSIGNMENT_NAMESPACE,
    USER_DATA_KEY,
    AssignedImage,
    AssignedNic,
    AssignedSecret,
    AssignedVolume,
    Assignment,
    AssignmentSpec,
    Desired,
    InstanceIdentity,
)
from orlop_api.flavor import Flavor
from orlop_api.hypervisor import node_namespace
from orlop_api.instance import Instance
from orlop_api.quantity import to_bytes
from orlop_api.resource import API_VERSION
from orlop_operator import protocol
from orlop_operator.kinds import ASSIGNMENT
from orlop_operator.reconcile.effects import Body, Copied, CopySecret, Create, Patch
from orlop_operator.reconcile.instance.attachments import leaving, outdated
from orlop_operator.reconcile.instance.facts import Facts

_RESOLVED = ("image", "nics", "volumes", "secret")


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
        root_disk_bytes=to_bytes(flavor.spec.root_disk),
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
    image: AssignedImage,
    nics: tuple[AssignedNic, ...],
    volumes: tuple[AssignedVolume, ...],
) -> Body:
    """The merge patch that binds: everything resolved, in one write."""
    if facts.assignment is None:
        raise AssertionError
    instance = facts.instance
    secret = None
    keys = [part.key for part in secret_parts(facts)]
    if keys:
        secret = AssignedSecret(namespace=node_namespace(step.node), name=instance.metadata.uid, keys=keys)
    spec = facts.assignment.spec.model_copy(
        update={
            "node_name": step.node,
            "pool_id": step.pool_id,
            "epoch": step.epoch,
            "desired": Desired.RUNNING,
            "image": image.model_copy(update={"peers": list(facts.peers(image.digest, step.node))}),
            "nics": list(nics),
            "volumes": list(volumes),
            "secret": secret,
            "instance_generation": instance.metadata.generation,
            **_ridealong(instance),
        }
    )
    # Null takes away what an earlier binding had (RFC 7396).
    absent: Body = dict.fromkeys(_RESOLVED)
    return {"spec": absent | spec.wire()}


def changes(
    facts: Facts, desired: Desired | None, volumes: tuple[AssignedVolume, ...]
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
    news = _told(volumes) != _told(assignment.spec.volumes)
    if news or outdated(facts, assignment) or (wanted and list(volumes) != assignment.spec.volumes):
        wanted["volumes"] = [volume.wire() for volume in volumes]
        wanted["instanceGeneration"] = facts.instance.metadata.generation
    return Patch(ASSIGNMENT, assignment, {"spec": wanted}) if wanted else None


def without_leaving(facts: Facts) -> Patch[Assignment] | None:
    """The order as it is, without the Volumes that the Instance does not list any more; None where it is so."""
    assignment = facts.assignment
    if assignment is None or not outdated(facts, assignment):
        return None
    gone = {volume.metadata.uid for volume in leaving(facts)}
    kept = [volume.wire() for volume in assignment.spec.volumes if volume.volume_uid not in gone]
    spec = {"volumes": kept, "instanceGeneration": facts.instance.metadata.generation}
    return Patch(ASSIGNMENT, assignment, {"spec": spec})


def is_newer(facts: Facts) -> bool:
    """Whether the order follows a newer Instance than the one that is known here."""
    assignment = facts.assignment
    return assignment is not None and assignment.spec.instance_generation > facts.instance.metadata.generation


def _told(volumes: Iterable[AssignedVolume]) -> list[AssignedVolume]:
    """Without what is worth no write of its own: that the data was made is the node's own news."""
    return [volume.model_copy(update={"created": "Unknown"}) for volume in volumes]


def secret_parts(facts: Facts) -> tuple[Copied, ...]:
    """What the node needs and nobody else may read."""
    spec, meta = facts.instance.spec.user_data, facts.instance.metadata
    if spec is None:
        return ()
    secret = (meta.namespace, spec.secret_ref.name, spec.secret_ref.key) if spec.secret_ref else None
    return (Copied(USER_DATA_KEY, spec.inline, secret),)


def node_secret(facts: Facts, node: str) -> CopySecret | None:
    """What must be where the node reads it before the node is bound."""
    namespace, name, parts = node_namespace(node), facts.instance.metadata.uid, secret_parts(facts)
    if not parts or (namespace, name) in facts.secrets:
        return None
    return CopySecret(namespace, name, parts)


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
