"""The agent gives what the ratios in its Hypervisor allow, refuses what is beyond, and ends nothing for it."""

import pytest

from orlop_agent import node as facts
from orlop_api.config import NodeConfig, OrlopConfig
from support.scripted import ORLOP, Api, Body
from support.simnode import SimNode, Story

pytestmark = pytest.mark.component
HYPERVISORS = f"{ORLOP}/hypervisors"


async def told(operator: Api, node: SimNode, **ratios: str | None) -> Body:
    """Once the agent says that these hold; its capacity."""
    await operator.call("PATCH", f"{HYPERVISORS}/{node.name}", {"spec": {"overcommit": ratios}})
    wanted = {name: ratio for name, ratio in ratios.items() if ratio is not None}

    def follows(thing: Body | None) -> bool:
        said = (thing or {}).get("status", {}).get("overcommit", {})
        return wanted.items() <= said.items()

    found = await operator.until(HYPERVISORS, node.name, follows)
    assert found is not None
    capacity: Body = found["status"]["capacity"]
    return capacity


async def test_what_holds_is_reported_and_kept(operator: Api, node: SimNode) -> None:
    node.config = OrlopConfig(node=NodeConfig(vcpu_ratio=2.0))
    has = facts.capacity(node.config.node, node.layout.data)
    body = {"apiVersion": "orlop.dev/v1alpha1", "kind": "Hypervisor", "metadata": {"name": node.name}}
    # It holds from the first order on: an agent that decided before it knew would refuse for good.
    await operator.call("POST", HYPERVISORS, {**body, "spec": {"overcommit": {"vcpus": "3"}}})
    facts.pool_id(node.layout.pool_id)
    first = Story(operator, node, vcpus=3 * has.vcpus)
    await first.bind()
    async with node.agent():
        await first.until("Running")
        capacity = await told(operator, node, vcpus="3", memory="1.5")
        assert capacity["vcpus"] == 3 * has.vcpus
        assert capacity["memoryBytes"] == has.memory_bytes * 3 // 2 >> 20 << 20
        assert capacity["diskBytes"] <= has.disk_bytes
        # Lower than what is held: the guest stays, nothing new comes.
        assert (await told(operator, node, vcpus="1", memory=None))["vcpus"] == has.vcpus
        second = Story(operator, node, vcpus=1)
        await second.bind()
        status = await second.until("Refused")
        assert (status["reason"], status["message"]) == ("NoRoom", "not enough vCPUs: need 1, free 0")
        assert (await first.seen())["status"]["state"] == "Running"
        assert first.uid in node.hypervisor.domains
        # And up again; what was refused may be asked for at its next epoch.
        assert (await told(operator, node, vcpus="4"))["vcpus"] == 4 * has.vcpus
        await second.bind(epoch=2)
        await second.until("Running")
        # Without a word of the operator's it is what orlop-config says.
        await operator.call("PATCH", f"{HYPERVISORS}/{node.name}", {"spec": {"overcommit": None}})
        found = await operator.until(
            HYPERVISORS, node.name, lambda thing: (thing or {})["status"]["overcommit"]["vcpus"] == "2"
        )
        assert found is not None
        assert found["status"]["overcommit"] == {"vcpus": "2", "memory": "1", "disk": "1"}
        assert found["status"]["capacity"]["vcpus"] == 2 * has.vcpus
    # An agent that begins anew keeps what runs, though that is more than it would take.
    async with node.agent():
        await first.until("Running")
        assert first.uid in node.hypervisor.domains
