"""An Assignment from its binding to its end, on a real API server with the real policies."""

import asyncio

import pytest

from orlop_agent.api.client import Client
from orlop_agent.hypervisor import EndReason, Power
from orlop_api.assignment import Assignment, AssignmentStatus
from support.scripted import Api, RefusedError
from support.simnode import SimNode, Story

pytestmark = pytest.mark.component


async def test_from_binding_to_nothing_left(operator: Api, node: SimNode):
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        status = await story.until("Running")
        assert status["rootDisk"] == "Created"
        assert status["domainUUID"] == story.uid
        assert status["virtualizationType"] == "qemu"
        assert {c["type"] for c in status["conditions"] if c["status"] == "True"} == {
            "ImageReady",
            "NetworkReady",
            "VolumesReady",
        }
        assert node.hypervisor.domains[story.uid].power is Power.RUNNING
        assert node.networks.plugged == {story.uid}
        assert node.files(story.uid) == ["root.qcow2", "seed.iso"]
        await story.change(desired="Purged")
        await story.until("Released", rootDisk="Absent")
        assert not node.hypervisor.domains
        assert not node.networks.prepared
        assert not node.files(story.uid)
        await story.delete()
        while list(node.layout.journal.iterdir()):
            await asyncio.sleep(0.02)


async def test_two_writes_from_binding_to_running(
    operator: Api, node: SimNode, monkeypatch: pytest.MonkeyPatch
):
    states = []
    answer = Client.answer

    async def counted(client: Client, seen: Assignment, status: AssignmentStatus) -> Assignment:
        states.append(status.state)
        return await answer(client, seen, status)

    monkeypatch.setattr(Client, "answer", counted)
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        await story.until("Running")
        await asyncio.sleep(0.3)  # nothing more may follow, and nothing tells of nothing
    assert states == ["Starting", "Running"]


async def test_stop_and_start(operator: Api, node: SimNode):
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        first = await story.until("Running")
        await story.change(desired="Stopped")
        await story.until("Stopped")
        assert ("shutdown", story.uid) in node.hypervisor.calls
        assert ("destroy", story.uid) not in node.hypervisor.calls
        assert node.files(story.uid) == ["root.qcow2", "seed.iso"]
        assert not node.networks.prepared
        await story.change(desired="Running")
        second = await story.until("Running")
        assert second["startID"] != first["startID"]


async def test_a_start_that_is_broken_off_lets_go_of_its_networks(
    operator: Api, node: SimNode, monkeypatch: pytest.MonkeyPatch
):
    """Stopped again while it is prepared for the second time: nobody here uses the Network any more."""
    story = Story(operator, node)
    began, left = asyncio.Event(), asyncio.Event()

    async def stuck(*_: object) -> None:
        began.set()
        await asyncio.Event().wait()

    async def detached(*_: object) -> None:
        left.set()

    async with node.agent():
        await story.bind()
        await story.until("Running")
        await story.change(desired="Stopped")
        await story.until("Stopped")
        monkeypatch.setattr(node.networks, "prepare", stuck)
        monkeypatch.setattr(node.networks, "detach", detached)
        await story.change(desired="Running")
        await asyncio.wait_for(began.wait(), 20)
        await story.change(desired="Stopped")
        await asyncio.wait_for(left.wait(), 20)


async def test_hardware_is_in_the_domain_and_what_a_tpm_holds_goes_with_the_instance(
    operator: Api, node: SimNode
):
    hardware = {"machineType": "q35", "firmware": "UEFI", "tpm": "2.0", "cpu": {"model": "EPYC"}}
    story = Story(operator, node, hardware=hardware)
    link = node.layout.tpm_link(story.uid)
    async with node.agent():
        await story.bind()
        await story.until("Running")
        for part in ('machine="q35"', str(node.layout.nvram(story.uid)), 'model="tpm-crb"', ">EPYC<"):
            assert part in node.hypervisor.xml[story.uid]
        assert link.resolve() == node.layout.tpm(story.uid)
        held = node.layout.tpm(story.uid) / "held"
        held.touch()
        await story.change(desired="Stopped")
        await story.until("Stopped")
        await story.change(desired="Running")
        await story.until("Running")
        assert held.exists()
        await story.change(desired="Purged")
        await story.until("Released", rootDisk="Absent")
        assert not link.is_symlink()
        assert not node.files(story.uid)


async def test_a_guest_that_does_not_heed_the_button_is_destroyed(operator: Api, node: SimNode):
    story = Story(operator, node)
    node.hypervisor.deaf.add(story.uid)
    async with node.agent():
        await story.bind()
        await story.until("Running")
        await story.change(desired="Stopped")
        await story.until("Stopped")
        calls = [call for call, uid in node.hypervisor.calls if uid == story.uid]
        assert calls.index("shutdown") < calls.index("destroy")


async def test_restarted_at_restarts_once(operator: Api, node: SimNode):
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        await story.until("Running")
        await story.change(restartedAt="2026-01-01T00:00:00Z")
        await story.until("Running", restartedAt="2026-01-01T00:00:00Z")
        await asyncio.sleep(0.3)
        assert [call for call, _ in node.hypervisor.calls].count("create_paused") == 2


@pytest.mark.parametrize(
    ("policy", "reason", "again"),
    [
        ("Always", EndReason.SHUTDOWN, True),
        ("OnFailure", EndReason.CRASHED, True),
        ("OnFailure", EndReason.SHUTDOWN, False),
        ("Never", EndReason.CRASHED, False),
    ],
)
async def test_restart_policy(operator: Api, node: SimNode, policy: str, reason: EndReason, again: bool):
    story = Story(operator, node, restartPolicy=policy)
    async with node.agent():
        await story.bind()
        first = await story.until("Running")
        node.hypervisor.end(story.uid, reason)
        if again:
            while (await story.until("Running"))["startID"] == first["startID"]:
                await asyncio.sleep(0.05)
        else:
            status = await story.until("Stopped")
            assert status["reason"] in {"GuestStopped", "GuestCrashed"}
    async with node.agent():  # what was decided outlives the agent
        await asyncio.sleep(0.3)
        assert (story.uid in node.hypervisor.domains) is again


async def test_a_new_agent_adopts_what_runs(operator: Api, node: SimNode):
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        first = await story.until("Running")
    node.hypervisor.calls.clear()
    async with node.agent():
        await asyncio.sleep(0.5)
        assert {call for call, _ in node.hypervisor.calls} <= {"lookup", "list_all"}
        assert (await story.until("Running")) == first
        assert {story.uid} in node.networks.resynced


@pytest.mark.parametrize("when", ["fail_before", "fail_after"])
@pytest.mark.parametrize("call", ["create_paused", "resume", "lookup"])
async def test_a_hypervisor_that_fails_once(operator: Api, node: SimNode, call: str, when: str):
    if call == "lookup" and when == "fail_after":
        pytest.skip("a look has no effect to lose")
    getattr(node.hypervisor, when).add(call)
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        await story.until("Running")
        assert list(node.hypervisor.domains) == [story.uid]


@pytest.mark.parametrize("call", ["prepare", "plug"])
async def test_a_network_that_fails_once(operator: Api, node: SimNode, call: str):
    node.networks.fail.add(call)
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        failed = await story.until("Failed")
        assert failed["reason"] == "Broken"
        await story.until("Running")


async def test_deletion_without_purge_destroys_nothing(operator: Api, admin: Api, node: SimNode):
    story = Story(operator, node)
    async with node.agent() as agent:
        await story.bind()
        await story.until("Running")
        policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
        binding = await admin.call("GET", f"{policies}/orlop-assignment-order")
        await admin.call("DELETE", f"{policies}/orlop-assignment-order")
        try:
            await _until_allowed(story)
        finally:
            await admin.call("POST", policies, {**binding, "metadata": {"name": binding["metadata"]["name"]}})
        while not agent.orphans():
            await asyncio.sleep(0.02)
        assert node.hypervisor.domains[story.uid].power is Power.RUNNING


async def _until_allowed(story: Story) -> None:
    """The API server forgets a policy a moment after it is gone."""
    while True:
        try:
            return await story.delete()
        except RefusedError:
            await asyncio.sleep(0.1)


async def test_a_refusal_says_what_is_missing(operator: Api, node: SimNode):
    story = Story(operator, node, memoryBytes=1 << 50)
    async with node.agent():
        await story.bind()
        status = await story.until("Refused", rootDisk="Absent")
        assert status["reason"] == "NoRoom"
        assert status["message"].startswith("not enough memory: need 1024Ti, free ")
        assert not node.files(story.uid)


async def test_another_pool_starts_nothing(operator: Api, node: SimNode):
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        await story.until("Running")
        await story.change(desired="Stopped")
        await story.until("Stopped")
    node.layout.pool_id.write_text("another")
    async with node.agent():
        await story.change(desired="Running")
        status = await story.until("Failed")
        assert status["reason"] == "DiskLost"
        assert not node.hypervisor.domains
        assert node.files(story.uid) == ["root.qcow2", "seed.iso"]


async def test_user_data_reaches_the_seed(operator: Api, admin: Api, node: SimNode):
    await operator.call("POST", "/api/v1/namespaces", {"metadata": {"name": "orlop-node-x"}})
    await admin.call(
        "POST",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/orlop-node-x/rolebindings",
        {
            "metadata": {"name": "node"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "orlop-node-secrets",
            },
            "subjects": [{"kind": "ServiceAccount", "namespace": "orlop-nodes", "name": node.name}],
        },
    )
    story = Story(
        operator, node, secret={"namespace": "orlop-node-x", "name": "web-1", "keys": ["user-data"]}
    )
    async with node.agent():
        await story.bind()
        status = await story.until("Failed")
        assert status["reason"] == "UserDataMissing"
        await admin.call(
            "POST",
            "/api/v1/namespaces/orlop-node-x/secrets",
            {"metadata": {"name": "web-1"}, "stringData": {"user-data": "#!/bin/sh\necho ahoy\n"}},
        )
        await story.until("Running")
        assert b"echo ahoy" in node.layout.seed(story.uid).read_bytes()
