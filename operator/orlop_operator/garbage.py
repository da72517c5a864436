"""What nobody needs any more: Claims without a holder, Assignments without an Instance.

"Gone" is only ever said after an uncached read.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from pydantic import ValidationError

from orlop_api.assignment import ASSIGNMENT_NAMESPACE, Assignment
from orlop_api.hypervisor import node_namespace
from orlop_operator import errors, protocol
from orlop_operator.cluster import Cluster
from orlop_operator.kinds import (
    ASSIGNMENT,
    CLAIM,
    FLOATING_IP,
    HYPERVISOR,
    INSTANCE,
    INSTANCE_GROUP,
    NETWORK,
    PORT,
    QUOTA,
    ROUTER,
    SERVICE,
    VOLUME,
    Kind,
    M,
)
from orlop_operator.reconcile.counting import KINDS
from orlop_operator.reconcile.effects import Delete, Effect, Patch, Plan, Remove
from orlop_operator.reconcile.imports import IMPORT, PREPULL, secret_name
from orlop_operator.reconcile.location import holders
from orlop_operator.reconcile.node_secret import secret_path
from orlop_operator.reconcile.quarantine import plan_freed
from orlop_operator.reconcile.service import MANAGED, MANAGER, OF_SERVICE, SLICES, slices_of
from orlop_operator.rereading import reread
from orlop_operator.service import asks
from orlop_operator.store import Key, Store

COPY_LASTS = timedelta(minutes=10)
"""Far longer than a placement takes between the copy and the binding."""


class Garbage:
    """Reads what the store does not know, before anything is thrown away."""

    def __init__(self, cluster: Cluster, store: Store) -> None:
        self._cluster = cluster
        self._store = store

    async def read(self, kind: Kind[M], namespace: str, name: str) -> M | None:
        """The object as it is now; the store learns it too."""
        return await reread(self._cluster, self._store, kind, namespace, name)

    async def port_is_forsaken(self, key: Key) -> bool:
        """Whether the Instance that a Port is bound to, or was made for, is gone and can run nowhere."""
        port = self._store.get(PORT, key.namespace, key.name)
        if port is None:
            return False
        binding = port.status.binding if port.status else None
        uid = port.owner_uid or (binding.instance_uid if binding else None)
        if uid is None:
            return False
        owner = next((o.name for o in port.metadata.owner_references if o.uid == uid), None)
        name = owner or (binding.instance_name if binding else "")
        return await self._is_over(key.namespace, name, uid)

    async def forsakers(self, key: Key) -> set[str]:
        """Uids of the Instances that a Volume is attached to and that are gone and can run nowhere."""
        volume = self._store.get(VOLUME, key.namespace, key.name)
        return {
            held.instance_uid
            for held in (holders(volume) if volume is not None else ())
            if await self._is_over(key.namespace, held.instance_name, held.instance_uid)
        }

    async def left_members(self, key: Key) -> set[str]:
        """Uids of the Instances that have a place in an InstanceGroup and are gone and can run nowhere."""
        group = self._store.get(INSTANCE_GROUP, key.namespace, key.name)
        return {
            member.uid
            for member in (group.status.members if group is not None and group.status is not None else ())
            if await self._is_over(key.namespace, member.name, member.uid)
        }

    async def plan_assignment(self, key: Key) -> Plan:
        """The end of an Assignment whose Instance vanished without a finalizer."""
        assignment = self._store.get(ASSIGNMENT, key.namespace, key.name)
        if assignment is None or self._store.by_uid(assignment.spec.instance.uid) is not None:
            return Plan()
        identity = assignment.spec.instance
        if await self._exists(identity.namespace, identity.name, identity.uid):
            return Plan()
        step = protocol.decide(protocol.Facts(protocol.Seen(None, uncached=True), protocol.Seen(assignment)))
        match step:
            case protocol.SetDesired(desired):
                return Plan((Patch(ASSIGNMENT, assignment, {"spec": {"desired": desired.value}}),))
            case protocol.DeleteAssignment():
                return Plan(_delete(assignment))
            case _:
                return Plan()

    async def plan_claim(self, key: Key, now: datetime) -> Plan:
        """The end of a Claim whose holder is gone, or that was given back."""
        claim = self._store.get(CLAIM, key.namespace, key.name)
        if claim is not None and not claim.is_held:
            known = self._store.by_uid(claim.spec.network_uid) is not None
            return plan_freed(claim, now, network_is_known=known)
        if claim is None or self._store.by_uid(claim.spec.holder.uid) is not None:
            return Plan()
        holder = claim.spec.holder
        if holder.kind == "Network":
            network = await self.read(NETWORK, holder.namespace, holder.name)
            gone = network is None or network.metadata.uid != holder.uid
        elif holder.kind == "Router":
            router = await self.read(ROUTER, holder.namespace, holder.name)
            gone = router is None or router.metadata.uid != holder.uid
        elif holder.kind == "FloatingIP":
            floating = await self.read(FLOATING_IP, holder.namespace, holder.name)
            gone = floating is None or floating.metadata.uid != holder.uid
        else:
            port = await self.read(PORT, holder.namespace, holder.name)
            gone = port is None or holder.uid not in {port.metadata.uid, port.owner_uid}
            # The Instance claims before its Port exists; only its uid is known here.
            if gone:
                instances = await self._cluster.list(INSTANCE, holder.namespace)
                gone = all(instance.metadata.uid != holder.uid for instance in instances)
        return Plan((Delete(CLAIM, claim),)) if gone else Plan()

    async def gone_holders(self, key: Key) -> set[str]:
        """Uids of those who have something reserved in a Quota, and are gone; Instances with what might run them."""
        quota = self._store.get(QUOTA, key.namespace, key.name)
        holds = quota.holds if quota is not None else {}
        missing = [uid for uid in holds if self._store.by_uid(uid) is None]
        if any(not self._store.is_dead(uid) for uid in missing):
            # Another operator may have reserved for what the watch has yet to bring here.
            for kind in (INSTANCE, *KINDS):
                for thing in await self._cluster.list(kind, key.namespace):
                    self._store.observe(kind, thing)
            missing = [uid for uid in missing if self._store.by_uid(uid) is None]
        # An Instance that lost its finalizer by force may still run: then its Assignment is there.
        ran = [uid for uid in missing if "instances" in holds[uid].amounts]
        orders = await asyncio.gather(*(self.read(ASSIGNMENT, ASSIGNMENT_NAMESPACE, uid) for uid in ran))
        return set(missing) - {uid for uid, order in zip(ran, orders, strict=True) if order is not None}

    async def look_for_guests(self, node: str) -> None:
        """Before a node counts as empty, its Assignments are read: the watch may be what is late."""
        query = {"fieldSelector": f"spec.nodeName={node}"}
        found = await self._cluster.call("GET", ASSIGNMENT.path(ASSIGNMENT_NAMESPACE), query=query)
        for item in found["items"]:
            self._store.observe(ASSIGNMENT, ASSIGNMENT.parse(item))

    async def sweep_secrets(self, now: datetime) -> None:
        """Remove Secrets from the nodes' namespaces that no Assignment and no other order on their node asks for.

        A placement that ended between its copy and its binding leaves one. Young copies may belong to a
        placement under way.
        """
        for host in list(self._store.all(HYPERVISOR)):
            node = host.metadata.name
            path = f"/api/v1/namespaces/{node_namespace(node)}/secrets"
            ordered = {secret_name(IMPORT, order.image_uid) for order in host.spec.imports}
            ordered |= {secret_name(PREPULL, order.image_uid) for order in host.spec.pre_pulls}
            ordered |= {order.secret.name for order in host.spec.storage if order.secret is not None}
            for secret in (await self._cluster.call("GET", path))["items"]:
                meta = secret["metadata"]
                old = now - datetime.fromisoformat(meta["creationTimestamp"]) > COPY_LASTS
                if old and meta["name"] not in ordered and not await self._is_bound_to(node, meta["name"]):
                    with suppress(errors.NotFoundError):
                        await self._cluster.delete(f"{path}/{meta['name']}", uid=meta["uid"])

    async def sweep_slices(self) -> None:
        """Remove EndpointSlices of Services that lead to no Instances any more; nobody may have seen them change."""
        query = {"labelSelector": f"{MANAGED}={MANAGER}"}
        for found in (await self._cluster.call("GET", SLICES, query=query))["items"]:
            meta = found["metadata"]
            service = self._store.get(SERVICE, meta["namespace"], meta["labels"].get(OF_SERVICE, ""))
            if service is None or not asks(service):
                with suppress(errors.NotFoundError):
                    path = f"{slices_of(meta['namespace'])}/{meta['name']}"
                    await self._cluster.delete(path, uid=meta["uid"])

    async def _is_bound_to(self, node: str, uid: str) -> bool:
        """Whether an Assignment is for the node; so is one for all we know that is there and not understood."""
        assignment = self._store.get(ASSIGNMENT, ASSIGNMENT_NAMESPACE, uid)
        if assignment is None:
            try:
                assignment = await self.read(ASSIGNMENT, ASSIGNMENT_NAMESPACE, uid)
            except ValidationError:
                return True
        return assignment is not None and assignment.spec.node_name == node

    async def _is_over(self, namespace: str, name: str, uid: str) -> bool:
        """The Instance is gone, and so is its Assignment: no node may run it."""
        if self._store.by_uid(uid) is not None or await self._exists(namespace, name, uid):
            return False
        return await self.read(ASSIGNMENT, ASSIGNMENT_NAMESPACE, uid) is None

    async def _exists(self, namespace: str, name: str, uid: str) -> bool:
        instance = await self.read(INSTANCE, namespace, name)
        return instance is not None and instance.metadata.uid == uid


def _delete(assignment: Assignment) -> tuple[Effect, ...]:
    secret = assignment.spec.secret
    removals = (Remove(secret_path(secret.namespace, secret.name)),) if secret is not None else ()
    return (*removals, Delete(ASSIGNMENT, assignment, unchanged=True))
