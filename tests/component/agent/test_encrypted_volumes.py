"""Passphrases are the hypervisor's while it is told to open a disk, and not longer, whatever becomes of that."""

import asyncio
import base64
import uuid
from typing import Any

import pytest

from support.scripted import Api, Body
from support.simnode import SimNode, Story

pytestmark = pytest.mark.component
NAMESPACE = "orlop-node-keys"
KEY = b"correct horse battery staple"


def volume(uid: str) -> Body:
    location = {"local": {}, "encryption": "LUKS"}
    return {"name": f"v-{uid[:8]}", "volumeUID": uid, "location": location, "sizeBytes": 1 << 20}


@pytest.fixture
async def uid(operator: Api, admin: Api, node: SimNode) -> str:
    """Of a Volume whose passphrase the node can read."""
    made, namespace = str(uuid.uuid4()), f"{NAMESPACE}-{node.name}"
    await operator.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    subject = {"kind": "ServiceAccount", "name": node.name, "namespace": "orlop-nodes"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "orlop-node-secrets"}
    binding = {"metadata": {"name": "node"}, "roleRef": role, "subjects": [subject]}
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"
    await admin.call("POST", bindings, binding)
    data = {f"luks-{made}": base64.b64encode(KEY).decode()}
    body = {"metadata": {"name": "it"}, "data": data}
    await admin.call("POST", f"/api/v1/namespaces/{namespace}/secrets", body)
    return made


def secret(node: SimNode, uid: str) -> Body:
    return {"namespace": f"{NAMESPACE}-{node.name}", "name": "it", "keys": [f"luks-{uid}"]}


class Handed:
    """What the hypervisor knew at each call that opens disks."""

    def __init__(self, node: SimNode, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
        self.known: list[list[bytes]] = []
        self._node, self._do = node, getattr(node.hypervisor, call)
        monkeypatch.setattr(node.hypervisor, call, self._noted)

    async def _noted(self, *arguments: Any) -> None:
        self.known.append(list(self._node.hypervisor.secrets.values()))
        await self._do(*arguments)


@pytest.mark.parametrize(("fails", "starts"), [("fail_before", 2), ("fail_after", 1)])
async def test_a_start_that_fails_leaves_no_passphrase(
    operator: Api, node: SimNode, uid: str, monkeypatch: pytest.MonkeyPatch, fails: str, starts: int
):
    handed = Handed(node, monkeypatch, "create_paused")
    getattr(node.hypervisor, fails).add("create_paused")
    story = Story(operator, node, volumes=[volume(uid)], secret=secret(node, uid))
    seen: list[Body] = []
    lookup = node.hypervisor.lookup

    async def noted(instance_uid: str) -> Any:
        seen.append(dict(node.hypervisor.secrets))
        return await lookup(instance_uid)

    monkeypatch.setattr(node.hypervisor, "lookup", noted)
    async with node.agent():
        await story.bind()
        await story.until("Running", attachedVolumes=[{"volumeUID": uid}])
    assert handed.known == [[KEY]] * starts, "a domain that was there after all is gone on with"
    assert seen
    assert not any(seen), "between two steps libvirt knows none, also after a failure"
    assert node.hypervisor.secrets == {}


async def test_a_start_that_is_not_wanted_any_more_has_handed_nothing_over(
    operator: Api, node: SimNode, uid: str, monkeypatch: pytest.MonkeyPatch
):
    handed = Handed(node, monkeypatch, "create_paused")
    story = Story(operator, node, volumes=[volume(uid)], secret=secret(node, uid))

    async def endless(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(node.networks, "prepare", endless)
    async with node.agent():
        await story.bind()
        while not (node.layout.volumes / f"{uid}.qcow2").exists():
            await asyncio.sleep(0.01)
        await story.until_condition("NetworkReady", "Wiring")
        assert node.hypervisor.secrets == {}
        await story.change(desired="Stopped")
        await story.until("Stopped")
    assert handed.known == []
    assert node.hypervisor.secrets == {}


async def test_an_attach_that_fails_leaves_no_passphrase(
    operator: Api, node: SimNode, uid: str, monkeypatch: pytest.MonkeyPatch
):
    handed = Handed(node, monkeypatch, "attach_disk")
    node.hypervisor.fail_before.add("attach_disk")
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        await story.until("Running")
        await story.change(volumes=[volume(uid)], secret=secret(node, uid))
        await story.until_condition("VolumesReady", "HypervisorError")
        assert node.hypervisor.secrets == {}
        await story.until("Running", attachedVolumes=[{"volumeUID": uid}])
    assert handed.known == [[KEY], [KEY]]
    assert node.hypervisor.secrets == {}
