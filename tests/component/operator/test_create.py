"""From a created Instance to Ready and to nothing left, with scripted agents."""

import pytest

from support import wishes
from support.apiserver import ApiServer
from support.audit import calls
from support.scripted import ORLOP, Api, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]


async def prepared(user: Api, namespace: str) -> str:
    """A namespace with an Image and a Network that are Ready; returns the path of its objects."""
    await user.call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    path = f"{ORLOP}/namespaces/{namespace}"
    for body, where in (
        (wishes.flavor(f"{namespace}-small"), f"{ORLOP}/flavors"),
        (wishes.image(namespace), f"{path}/images"),
        (wishes.network(namespace), f"{path}/networks"),
    ):
        await user.call("POST", where, body)
    await user.until(f"{path}/images", "tiny", wishes.is_ready)
    await user.until(f"{path}/networks", "blue", wishes.is_ready)
    return path


async def test_a_create_is_ready_after_nine_writes(user: Api, agents: Agents, cloud: ApiServer) -> None:
    path = await prepared(user, "writes")
    made = await user.call(
        "POST", f"{path}/instances", wishes.instance("writes", "web", flavorName="writes-small")
    )
    ready = await user.until(f"{path}/instances", "web", wishes.is_ready)
    assert ready is not None
    status = ready["status"]
    assert status["nodeName"] == "node-1"
    assert status["powerState"] == "Running"
    assert status["addresses"] == [
        {"network": "eth0", "ip": "10.10.0.2", "mac": status["addresses"][0]["mac"]}
    ]
    assert {c["type"] for c in status["conditions"]} == {
        "Authorized", "QuotaReserved", "Scheduled", "ImageReady", "NetworkReady", "VolumesReady", "Ready",
    }  # fmt: skip
    assert {c["status"] for c in status["conditions"]} == {"True"}
    port = await user.call("GET", f"{path}/ports/web-eth0")
    assert port["status"]["binding"]["nodeName"] == "node-1"
    uid = made["metadata"]["uid"]
    writes = [c.what for c in of_instance(cloud, "writes", "web", uid)]
    assert len(writes) <= 9, writes
    assert sum("instances" in what for what in writes) <= 3, writes


def of_instance(cloud: ApiServer, namespace: str, name: str, uid: str) -> list[object]:
    """Successful writes by operator and agents for one Instance."""
    counted = {"instances/status", "instances", "ports", "ports/status", "claims", "assignments", "secrets"}
    return [
        call
        for call in calls((cloud.directory / "audit.log").read_text())
        if call.user.startswith("system:serviceaccount:orlop-")
        and call.code < 300
        and call.verb in {"create", "update", "patch", "delete"}
        and (call.resource in counted)
        and (
            (call.namespace == namespace and call.name.startswith(name))
            or call.name == uid
            or call.resource == "claims"
        )
    ]
