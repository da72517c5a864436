"""The real agent in this process, with a simulated node's hypervisor and networks; disks and images are real."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from orlop_agent.agent import Agent
from orlop_agent.assembly import assembled
from orlop_agent.paths import Layout
from orlop_agent.settings import Settings
from orlop_agent.simulate import SimulatedHypervisor
from orlop_agent.simulation.networks import SimulatedNetworks
from orlop_api.config import OrlopConfig
from support.scripted import ASSIGNMENTS, Api, Body

DISK = (bytes(510) + b"\x55\xaa").ljust(4096, b"\0")


class SimNode:
    """One node: what survives its agent is here."""

    def __init__(
        self,
        name: str,
        root: Path,
        kubeconfig: Path,
        config: OrlopConfig | None = None,
        host_ip: str = "192.0.2.1",
    ) -> None:
        self.name = name
        self.kubeconfig = kubeconfig
        self.config = config or OrlopConfig()
        self.layout = Layout(root)
        self.layout.prepare()
        self.networks = SimulatedNetworks()
        self.hypervisor = SimulatedHypervisor(taps=self.networks.taps)
        self._settings = Settings(
            node_name=name,
            host_ip=host_ip,
            kubeconfig=kubeconfig,
            orlop_root=root,
            orlop_peer_port=0,
            orlop_metrics_port=0,
        )
        digest = hashlib.sha256(DISK).hexdigest()
        self.layout.images.mkdir(parents=True, exist_ok=True)
        (self.layout.images / digest).write_bytes(DISK)
        self.image = {
            "source": {"http": {"url": "https://mirror.example.org/disk.raw"}},
            "digest": f"sha256:{digest}",
            "format": "raw",
            "virtualSizeBytes": len(DISK),
        }

    @property
    def pool_id(self) -> str:
        return self.layout.pool_id.read_text()

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[Agent]:
        """An agent at work; ended without a word to anybody at the end of the block."""
        networks = self.networks
        async with assembled(
            self._settings, self.layout, self.config, self.hypervisor, networks, "0"
        ) as agent:
            work = asyncio.create_task(agent.run())
            try:
                yield agent
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
                # The next agent listens for itself.
                self.hypervisor.forget_listeners()

    def files(self, uid: str) -> list[str]:
        """What is there of the Instance's own disks."""
        directory = self.layout.instance(uid)
        return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def order(node: SimNode, uid: str | None = None, **changes: Any) -> dict[str, Any]:
    """An Assignment's spec, as the operator resolves it at its first binding; sizes are small."""
    return {
        "instance": {"namespace": "demo", "name": "web-1", "uid": uid or str(uuid.uuid4())},
        "vcpus": 1,
        "memoryBytes": 96 << 20,
        "rootDiskBytes": 1 << 20,
        "image": node.image,
        "stopPolicy": {"mode": "TrySoft", "timeoutSeconds": 1},
        "nics": [
            {
                "name": "eth0",
                "portName": "web-1-eth0",
                "networkUID": "d2a84f5e-0000-4000-8000-000000000002",
                "segmentID": 4097,
                "macAddress": "02:00:10:01:00:0a",
                "addresses": ["10.10.0.10"],
                "cidr": "10.10.0.0/24",
                "gateway": "10.10.0.1",
                "mtu": 1450,
            }
        ],
    } | changes


class Story:
    """One Assignment, moved by the operator."""

    def __init__(self, operator: Api, node: SimNode, **changes: Any) -> None:
        self._operator = operator
        self._node = node
        self.spec = order(node, **changes)
        self.uid: str = self.spec["instance"]["uid"]

    async def bind(self, epoch: int = 1) -> None:
        if epoch == 1:
            unbound = {key: value for key, value in self.spec.items() if key not in {"image", "nics"}}
            await self._operator.call(
                "POST",
                ASSIGNMENTS,
                {
                    "apiVersion": "orlop.dev/v1alpha1",
                    "kind": "Assignment",
                    "metadata": {"name": self.uid, "namespace": "orlop-assignments"},
                    "spec": unbound,
                },
            )
        while not self._node.layout.pool_id.exists():
            await asyncio.sleep(0.01)
        await self.change(
            **self.spec, nodeName=self._node.name, poolID=self._node.pool_id, epoch=epoch, desired="Running"
        )

    async def change(self, **spec: Any) -> None:
        await self._operator.call("PATCH", f"{ASSIGNMENTS}/{self.uid}", {"spec": spec})

    async def until(self, state: str, **fields: Any) -> Body:
        """Wait for the node's answer to the order as it is."""

        def there(seen: Body | None) -> bool:
            status = (seen or {}).get("status", {})
            return (
                status.get("state") == state
                and status.get("observedGeneration") == (seen or {})["metadata"]["generation"]
                and all(status.get(name) == value for name, value in fields.items())
            )

        found = await self._operator.until(ASSIGNMENTS, self.uid, there, seconds=20)
        assert found is not None
        status: Body = found["status"]
        return status

    async def until_condition(self, kind: str, reason: str) -> Body:
        """Wait for this reason of one of the answer's conditions."""

        def those(seen: Body | None) -> list[Body]:
            conditions = (seen or {}).get("status", {}).get("conditions", [])
            return [c for c in conditions if (c["type"], c["reason"]) == (kind, reason)]

        found = await self._operator.until(ASSIGNMENTS, self.uid, lambda seen: bool(those(seen)), seconds=20)
        return those(found)[0]

    async def seen(self) -> Body:
        """The Assignment as it is."""
        return await self._operator.call("GET", f"{ASSIGNMENTS}/{self.uid}")

    async def delete(self) -> None:
        await self._operator.call("DELETE", f"{ASSIGNMENTS}/{self.uid}")
