"""Tells the nodes which public addresses are the cluster's own. Only the leader writes.

Read by a node when it is about to fetch from somewhere, never watched: what it costs does not grow with the nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import structlog

from orlop_api.inside import INSIDE_KEY, INSIDE_NAME, INSIDE_NAMESPACE
from orlop_operator.errors import AlreadyExistsError, ApiError, ConflictError, NotFoundError
from orlop_operator.kinds import NODE, Node
from orlop_operator.reconcile.covering import addresses_of, covering
from orlop_operator.secret_keeper import Calls
from orlop_operator.store import Change

CHECK_SECONDS = 300.0
"""Between looks at what is not watched."""
AGAIN_SECONDS = 10.0
"""Until another try, with the next look at a node."""
_CONFIG_MAPS = f"/api/v1/namespaces/{INSIDE_NAMESPACE}/configmaps"
_API_SERVERS = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes"
_SERVICES = "/apis/networking.k8s.io/v1/servicecidrs"
_MERGE = "application/merge-patch+json"

log = structlog.get_logger()


class Inside:
    """What was said last."""

    def __init__(self, cluster: Calls, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._checked = float("-inf")

    def take_over(self, change: Change) -> None:
        """Look anew, with the next look at a node, where one came, went, or has another address."""
        if change.kind == NODE.name and _addresses(change.old) != _addresses(change.new):
            self._checked = float("-inf")

    async def check(self, nodes: Iterable[Node]) -> None:
        """Say it where it is news; does nothing when it was looked at lately."""
        if self._clock() - self._checked < CHECK_SECONDS:
            return
        self._checked = self._clock()
        try:
            found = [address for node in nodes for address in addresses_of(node)]
            found += [*await self._api_servers(), *await self._services()]
            await self._say("\n".join(covering(found)))
        except ApiError as error:
            # Nodes go on with what was said before; a node's other affairs do not wait for this.
            self._checked += AGAIN_SECONDS - CHECK_SECONDS
            log.warning("inside failed", error=str(error))

    async def _api_servers(self) -> list[str]:
        slice_ = await self._get(_API_SERVERS)
        return [str(a) for endpoint in slice_.get("endpoints") or () for a in endpoint.get("addresses", ())]

    async def _services(self) -> list[str]:
        ranges = await self._get(_SERVICES)
        return [str(cidr) for item in ranges.get("items", ()) for cidr in item["spec"].get("cidrs", ())]

    async def _get(self, path: str) -> dict[str, Any]:
        try:
            return await self._cluster.call("GET", path)
        except NotFoundError:
            return {}  # no such kind in this Kubernetes, or none there yet

    async def _say(self, networks: str) -> None:
        data = {INSIDE_KEY: networks}
        try:
            seen = await self._cluster.call("GET", f"{_CONFIG_MAPS}/{INSIDE_NAME}")
        except NotFoundError:
            seen = None
        if seen is not None and seen.get("data") == data:
            return
        try:
            if seen is None:
                metadata = {"name": INSIDE_NAME, "namespace": INSIDE_NAMESPACE}
                body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
                await self._cluster.call("POST", _CONFIG_MAPS, body)
            else:
                version = {key: seen["metadata"][key] for key in ("uid", "resourceVersion")}
                change = {"metadata": version, "data": data}
                await self._cluster.call(
                    "PATCH", f"{_CONFIG_MAPS}/{INSIDE_NAME}", change, content_type=_MERGE
                )
        except (AlreadyExistsError, ConflictError):
            self._checked = float("-inf")  # another replica was faster: looked at again with the next node
            return
        log.info("inside", networks=networks.count("\n") + 1 if networks else 0)


def _addresses(thing: object) -> list[str]:
    return list(addresses_of(thing)) if isinstance(thing, Node) else []
