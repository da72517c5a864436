"""The objects that the agent reads and writes, and nothing else of the API server.

Reads are from etcd, never from a cache. Writes are merge patches that name uid and resourceVersion: they hold for the
object as it was read, or not at all. An object that this agent does not understand is an UnreadableError.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from orlop_agent.api.errors import ConflictError, NotFoundError, UnauthorizedError
from orlop_agent.api.http import JSON, MERGE_PATCH, Body, Http
from orlop_agent.api.identity import Identity
from orlop_agent.api.reading import read
from orlop_agent.api.watch import Event, watch
from orlop_api.assignment import ASSIGNMENT_NAMESPACE, Assignment, AssignmentStatus
from orlop_api.hypervisor import NODE_ACCOUNTS_NAMESPACE, Hypervisor
from orlop_api.inside import INSIDE_NAME, INSIDE_NAMESPACE

_API = "/apis/orlop.dev/v1alpha1"
_ASSIGNMENTS = f"{_API}/namespaces/{ASSIGNMENT_NAMESPACE}/assignments"
_HYPERVISORS = f"{_API}/hypervisors"
_INSIDE = f"/api/v1/namespaces/{INSIDE_NAMESPACE}/configmaps/{INSIDE_NAME}"
_LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NODE_ACCOUNTS_NAMESPACE}/leases"


class Client:
    """One node's view of the cluster."""

    def __init__(self, http: Http, identity: Identity, node: str) -> None:
        self._http = http
        self._identity = identity
        self._node = node

    def watch_assignments(self) -> AsyncIterator[Event]:
        """The node's own, selected by the API server."""
        return self._watch(_ASSIGNMENTS, {"fieldSelector": f"spec.nodeName={self._node}"})

    def watch_hypervisor(self) -> AsyncIterator[Event]:
        """The node's own."""
        return self._watch(_HYPERVISORS, {"fieldSelector": f"metadata.name={self._node}"})

    def watch_ports(self, network_uid: str) -> AsyncIterator[Event]:
        """Every Port of a Network, in whatever namespace."""
        return self._watch(f"{_API}/ports", {"fieldSelector": f"status.networkUID={network_uid}"})

    def watch_groups(self, namespace: str) -> AsyncIterator[Event]:
        """Every SecurityGroup of a namespace."""
        return self._watch(f"{_API}/namespaces/{namespace}/securitygroups", {})

    def watch_routers(self, namespace: str) -> AsyncIterator[Event]:
        """Every Router of a namespace."""
        return self._watch(f"{_API}/namespaces/{namespace}/routers", {})

    def watch_floating_ips(self, namespace: str) -> AsyncIterator[Event]:
        """Every FloatingIP of a namespace."""
        return self._watch(f"{_API}/namespaces/{namespace}/floatingips", {})

    async def assignment(self, instance_uid: str) -> Assignment | None:
        """The Assignment as etcd has it now; None when there is none."""
        try:
            return read(Assignment, await self._call("GET", f"{_ASSIGNMENTS}/{instance_uid}"))
        except NotFoundError:
            return None

    async def hypervisor(self, name: str) -> Hypervisor:
        """Any node's, as etcd has it now; NotFoundError."""
        return read(Hypervisor, await self._call("GET", f"{_HYPERVISORS}/{name}"))

    async def answer(self, seen: Assignment, status: AssignmentStatus) -> Assignment:
        """Compare-and-swap of the status at the version that was seen; ConflictError when it is another."""
        body = {
            "metadata": {"uid": seen.metadata.uid, "resourceVersion": seen.metadata.resource_version},
            # Null takes away what an earlier answer had: the status is always the whole answer.
            "status": status.model_dump(mode="json", by_alias=True),
        }
        path = f"{_ASSIGNMENTS}/{seen.metadata.name}/status"
        return read(Assignment, await self._patch(path, body))

    async def publish(self, seen: Hypervisor, status: Mapping[str, Any]) -> Hypervisor:
        """Change what this node says of itself; other fields of the status are others'."""
        body = {"metadata": {"uid": seen.metadata.uid}, "status": dict(status)}
        return read(Hypervisor, await self._patch(f"{_HYPERVISORS}/{seen.metadata.name}/status", body))

    async def renew_lease(self, holder: str, seconds: int) -> None:
        """Say that this node's agent is alive."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds, "renewTime": now}
        try:
            await self._patch(f"{_LEASES}/{self._node}", {"spec": spec})
        except NotFoundError:
            lease = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self._node, "namespace": NODE_ACCOUNTS_NAMESPACE},
                "spec": {**spec, "acquireTime": now},
            }
            try:
                await self._call("POST", _LEASES, lease)
            except ConflictError:  # made by somebody else meanwhile: the next renewal finds it
                return

    async def secret(self, namespace: str, name: str) -> dict[str, str]:
        """A Secret's data, base64 as it is; NotFoundError while the operator has not put it there."""
        answer = await self._call("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        return {str(key): str(value) for key, value in answer.get("data", {}).items()}

    async def inside(self) -> dict[str, str]:
        """Which networks are the cluster's own, as the operator says; NotFoundError while it has not."""
        answer = await self._call("GET", _INSIDE)
        return {str(key): str(value) for key, value in answer.get("data", {}).items()}

    async def _patch(self, path: str, body: Body) -> Body:
        return await self._call("PATCH", path, body, content_type=MERGE_PATCH)

    async def _get(self, path: str, query: Mapping[str, str]) -> Body:
        return await self._call("GET", path, query=query)

    async def _call(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
    ) -> Body:
        token = await self._identity.token()
        try:
            return await self._http.call(
                method, path, body, token=token, query=query, content_type=content_type
            )
        except UnauthorizedError:
            # Refused before anything was done: a token that was revoked early. Once more, with another.
            self._identity.reject()
            token = await self._identity.token()
            return await self._http.call(
                method, path, body, token=token, query=query, content_type=content_type
            )

    @asynccontextmanager
    async def _lines(
        self, path: str, query: Mapping[str, str], silence: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        token = await self._identity.token()
        try:
            async with self._http.lines(path, token=token, query=query, silence=silence) as lines:
                yield lines
        except UnauthorizedError:
            self._identity.reject()
            raise

    def _watch(self, path: str, selector: Mapping[str, str]) -> AsyncIterator[Event]:
        return watch(self._get, self._lines, path, selector)
