"""What an Instance says of nodes, and an administrator of a Hypervisor, as the running operator has it."""

import pytest

from support import wishes
from support.prepared import tenant
from support.scripted import ORLOP, Api, ScriptedAgent

pytestmark = pytest.mark.component
Agents = dict[str, ScriptedAgent]
ZONE = "topology.kubernetes.io/zone"


async def label(user: Api, node: str, labels: dict[str, str | None]) -> None:
    await user.call("PATCH", f"/api/v1/nodes/{node}", {"metadata": {"labels": labels}})


async def test_zone_affinity_and_disabled_nodes(user: Api, agents: Agents) -> None:
    it = await tenant(user, "placed")
    await label(user, "node-2", {ZONE: "placed-b", "disk": "ssd", "generation": "3"})
    try:
        term = {"matchExpressions": [{"key": "generation", "operator": "Gt", "values": ["2"]}]}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
        preferred = {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 9, "preference": {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}}
            ]
        }
        # The first of the two has more room: without a word all of these would be there.
        for name, placement in (
            ("zone", {"zone": "placed-b"}),
            ("required", {"nodeAffinity": required}),
            ("preferred", {"nodeAffinity": preferred}),
        ):
            booted = await it.boot(name, placement=placement)
            assert booted["status"]["nodeName"] == "node-2", name
        scheduling = {"spec": {"scheduling": {"state": "Disabled", "reason": "new disks"}}}
        await user.call("PATCH", f"{ORLOP}/hypervisors/node-2", scheduling)
        await it.make("instances", wishes.instance("placed", "waits", placement={"zone": "placed-b"}))
        message = await it.because("waits", "Unschedulable", kind="Scheduled")
        assert message == "0/2 hypervisors: 1 disabled (new disks), 1 in no zone (need zone placed-b)"
        await user.call("PATCH", f"{ORLOP}/hypervisors/node-2", {"spec": {"scheduling": None}})
        assert (await it.ready("waits"))["status"]["nodeName"] == "node-2"
    finally:
        await label(user, "node-2", {ZONE: None, "disk": None, "generation": None})
