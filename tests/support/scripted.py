"""An agent that plays its part of the protocol by script, as its node's own account: so the policies judge it too."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import aiohttp

from orlop_agent.api.sockets import Sockets
from support.answers import imported, locked, sized, stored, wired
from support.apiserver import ApiServer
from support.rest import User

ORLOP = "/apis/orlop.dev/v1alpha1"
ASSIGNMENTS = f"{ORLOP}/namespaces/orlop-assignments/assignments"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/orlop-nodes/leases"

Body = dict[str, Any]


class RefusedError(Exception):
    """The API server said no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status


class Api:
    """Requests and watches as one user."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def call(self, method: str, path: str, body: Body | None = None, **query: str) -> Body:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        async with self._session.request(
            method,
            self._url + path,
            data=None if body is None else json.dumps(body),
            params=query,
            headers={"Content-Type": kind},
        ) as response:
            answer: Body = await response.json(content_type=None)
            if response.status >= 300:
                raise RefusedError(response.status, str(answer.get("message")))
            return answer

    async def watch(self, path: str, **query: str) -> AsyncGenerator[tuple[str, Body], None]:
        """What is there (as ADDED) and then every change; never ends by itself."""
        listed = await self.call("GET", path, **query)
        for item in listed["items"]:
            yield "ADDED", item
        async with aclosing(self._changes(path, listed["metadata"]["resourceVersion"], query)) as changes:
            async for change in changes:
                yield change

    async def _changes(
        self, path: str, since: str, query: dict[str, str]
    ) -> AsyncGenerator[tuple[str, Body], None]:
        query = query | {"watch": "1", "resourceVersion": since}
        async with self._session.get(
            self._url + path, params=query, timeout=aiohttp.ClientTimeout(total=None)
        ) as response:
            try:
                async for line in response.content:
                    event = json.loads(line)
                    yield event["type"], event["object"]
            finally:
                # Else the goodbye of TLS outlives the test's event loop.
                if response.connection is not None and response.connection.transport is not None:
                    response.connection.transport.abort()

    async def until(
        self, path: str, name: str, test: Callable[[Body | None], bool], seconds: float = 30
    ) -> Body | None:
        """Wait until the object (None: not there) passes the test; the last one seen is in the error."""
        seen: Body | None = None
        query = {"fieldSelector": f"metadata.name={name}"}
        try:
            async with asyncio.timeout(seconds):
                listed = await self.call("GET", path, **query)
                seen = next(iter(listed["items"]), None)
                if test(seen):
                    return seen
                since = listed["metadata"]["resourceVersion"]
                async with aclosing(self._changes(path, since, query)) as changes:
                    async for kind, thing in changes:
                        thing["metadata"].pop("managedFields", None)
                        seen = None if kind == "DELETED" else thing
                        if test(seen):
                            return seen
        except TimeoutError:
            raise AssertionError(f"waited for {path}/{name}; it is {json.dumps(seen, indent=1)}") from None
        raise AssertionError(f"the watch of {path}/{name} ended")


@asynccontextmanager
async def api(server: ApiServer, user: User | None = None, token: str = "") -> AsyncIterator[Api]:
    """The administrator, or somebody whom it impersonates, or whose token this is."""
    context = ssl.create_default_context(cafile=server.ca)
    headers = [("Authorization", f"Bearer {token or server.token}"), *(user.headers() if user else ())]
    sockets = Sockets()
    connector = aiohttp.TCPConnector(ssl=context, limit=0, socket_factory=sockets.make)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        try:
            yield Api(session, server.url)
        finally:
            # Without waiting for the other side's goodbye, which may come after the loop has ended.
            await connector.close(abort_ssl=True)
            await sockets.end()


async def node_token(server: ApiServer, node: str) -> str:
    """A token of the node's own account, once the operator has made that."""
    async with api(server) as admin:
        accounts = "/api/v1/namespaces/orlop-nodes/serviceaccounts"
        await admin.until(accounts, node, lambda thing: thing is not None)
        answer = await admin.call("POST", f"{accounts}/{node}/token", {"spec": {"expirationSeconds": 7200}})
    token: str = answer["status"]["token"]
    return token


class ScriptedAgent:
    """One node's agent. Its behaviour may be changed at any time by its fields."""

    def __init__(self, node: str, api: Api, capacity: Body) -> None:
        self.node, self._api, self._capacity = node, api, capacity
        self.refuses: set[str] = set()
        """Names of Instances that it refuses."""
        self.imports: dict[str, Body] = {}
        """URL to the fields of the report; any other import succeeds."""
        self.boot_id, self.pool_id = str(uuid4()), str(uuid4())
        self.running: set[str] = set()
        """Uids of Instances whose guests run."""
        self.volumes: set[str] = set()  # uids of those whose files exist
        self.mute: set[str] = set()  # names of Instances of whose Volumes it does not say that they have data
        self.clinging: set[str] = (
            set()
        )  # uids of Volumes and names of Ports that guests hold on to; none grows
        self.old = False  # it does not tell which NICs a guest has
        self.locked: set[str] = set()  # names of Instances with a Volume whose passphrase it has wrong
        self.address = f"192.0.2.{1 + sum(node.encode()) % 250}"
        self.beating = True
        self.reported = asyncio.Event()

    async def run(self) -> None:
        """Be the agent until cancelled."""
        await self._api.until(f"{ORLOP}/hypervisors", self.node, lambda thing: thing is not None)
        # The Hypervisor outlives the agents of one test: the images of an earlier one's are not this one's.
        await self.report(capacity=self._capacity, images=[])
        self.reported.set()
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._beat())
            parts.create_task(self._assignments())
            parts.create_task(self._orders())

    async def report(self, **status: Any) -> None:
        fixed = {
            "bootID": self.boot_id,
            "poolID": self.pool_id,
            "architecture": "x86_64",
            "virtualizationType": "qemu",
            "hostAddress": self.address,
            "underlayMTU": 1500,
            "physicalNetworks": ["public"],
        }
        await self._api.call("PATCH", f"{ORLOP}/hypervisors/{self.node}/status", {"status": fixed | status})

    async def _beat(self) -> None:
        spec = {"holderIdentity": self.node, "leaseDurationSeconds": 40}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self.node}}
        with contextlib.suppress(RefusedError):
            await self._api.call("POST", LEASES, {**lease, "spec": {**spec, "renewTime": _now()}})
        while True:
            if self.beating:
                await self._api.call(
                    "PATCH", f"{LEASES}/{self.node}", {"spec": {**spec, "renewTime": _now()}}
                )
            await asyncio.sleep(5)

    async def _orders(self) -> None:
        """Imports and Volumes to delete."""
        selector = f"metadata.name={self.node}"
        async with aclosing(self._api.watch(f"{ORLOP}/hypervisors", fieldSelector=selector)) as changes:
            async for kind, thing in changes:
                if kind != "DELETED":
                    await self._obey(thing)

    async def _obey(self, thing: Body) -> None:
        reports = [imported(order, self.imports) for order in thing["spec"].get("imports", [])]
        done = [stored(order, self.volumes) for order in thing["spec"].get("storage", [])]
        self.volumes |= {order["uid"] for order in done if order["action"] == "Create"}
        self.volumes -= {order["uid"] for order in done if order["action"] == "Delete"}
        known: Body = {"imports": [], "storage": []} | thing.get("status", {})
        if (known["imports"], known["storage"]) != (reports, done):
            await self.report(imports=reports, storage=done)

    async def _assignments(self) -> None:
        selector = f"spec.nodeName={self.node}"
        async with aclosing(self._api.watch(ASSIGNMENTS, fieldSelector=selector)) as changes:
            async for kind, thing in changes:
                if kind != "DELETED":
                    await self._follow(thing)

    async def _follow(self, order: Body) -> None:
        """One look at one Assignment, as the protocol wants it; a conflict means that a newer one follows."""
        spec, uid = order["spec"], order["metadata"]["name"]
        status = order.get("status") or {}
        status = status if status.get("epoch") == spec["epoch"] else {}
        state = status.get("state")
        news = status.get("observedGeneration") != order["metadata"]["generation"]
        gone: Body = {"domainUUID": None, "attachedVolumes": [], "attachedNics": None if self.old else []}
        with contextlib.suppress(RefusedError):
            if spec["desired"] in {"Purged", "Released"}:
                self.running.discard(uid)
                if state != "Released" or news:
                    await self._answer(order, "Released", rootDisk="Absent", **gone)
            elif state in {"Released", "Refused"}:
                if news:
                    await self._answer(order, state, **gone)
            elif spec["instance"]["name"] in self.refuses:
                await self._answer(order, "Refused", reason="NoRoom", message="no room after all")
            elif spec["desired"] == "Stopped":
                self.running.discard(uid)
                if state != "Stopped" or news:
                    await self._answer(order, "Stopped", **gone)
            elif state != "Running" or spec.get("restartedAt") not in {None, status.get("restartedAt")}:
                await self._start(order, uid)
            elif news:
                await self._run(order, uid)

    async def _start(self, order: Body, uid: str) -> None:
        begun = await self._answer(order, "Starting", bootID=self.boot_id, startID=str(uuid4()))
        self.running.add(uid)
        await self._run(begun, uid)

    async def _run(self, order: Body, uid: str) -> None:
        sizes = {v["volumeUID"]: v["sizeBytes"] for v in order["spec"].get("volumes", [])}
        self.volumes |= sizes.keys()
        is_locked = order["spec"]["instance"]["name"] in self.locked
        await self._answer(
            order,
            "Running",
            rootDisk="Absent" if "bootVolumeUID" in order["spec"] else "Created",
            createdVolumes=[] if order["spec"]["instance"]["name"] in self.mute else list(sizes),
            volumeSizes=sized(sizes, self.clinging),
            attachedVolumes=[{"volumeUID": volume} for volume in {*sizes, *self.clinging}],
            attachedNics=None if self.old else wired(order, self.clinging),
            restartedAt=order["spec"].get("restartedAt"),
            domainUUID=uid,
            virtualizationType="qemu",
            observedGeneration=order["metadata"]["generation"],
            conditions=[locked(order)] if is_locked else [],
        )

    async def _answer(self, order: Body, state: str, **fields: Any) -> Body:
        meta = order["metadata"]
        status = {
            "observedGeneration": meta["generation"],
            "epoch": order["spec"]["epoch"],
            "state": state,
            "reason": "",
            "message": "",
            **fields,
        }
        seen = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        return await self._api.call(
            "PATCH", f"{ASSIGNMENTS}/{quote(meta['name'])}/status", {"metadata": seen, "status": status}
        )


@asynccontextmanager
async def agent(
    server: ApiServer, node: str, *, vcpus: int = 8, memory: int = 8 << 30, disk: int = 100 << 30
) -> AsyncIterator[ScriptedAgent]:
    """An agent for the duration of the block."""
    capacity = {"vcpus": vcpus, "memoryBytes": memory, "diskBytes": disk}
    async with api(server, token=await node_token(server, node)) as client:
        made = ScriptedAgent(node, client, capacity)
        task = asyncio.create_task(made.run())
        try:
            yield made
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
