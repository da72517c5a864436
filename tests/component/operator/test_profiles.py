"""Scheduler profiles of the platform team: hot, validated, and told where they are wrong."""

import asyncio
from typing import Any

import pytest

from support import wishes
from support.prepared import tenant
from support.scripted import Api, ScriptedAgent

pytestmark = pytest.mark.component
Agents = dict[str, ScriptedAgent]
MAPS = "/api/v1/namespaces/orlop-system/configmaps"
PACK = """
profiles:
- name: pack
  weights: [{name: pack, resource: memory}]
"""


async def told(user: Api, text: str) -> dict[str, Any]:
    """The Event about the ConfigMap that says this."""
    async with asyncio.timeout(30):
        while True:
            found = (await user.call("GET", "/apis/events.k8s.io/v1/namespaces/orlop-system/events"))["items"]
            for event in found:
                if event["regarding"]["name"] == "orlop-scheduler" and text in event["note"]:
                    return event
            await asyncio.sleep(0.1)


async def test_profiles_are_taken_over_while_it_runs(user: Api, agents: Agents) -> None:
    it = await tenant(user, "profiled")
    await it.make("instances", wishes.instance("profiled", "packed", placement={"profile": "pack"}))
    message = await it.because("packed", "ProfileNotFound", kind="Scheduled")
    assert message == "there is no scheduler profile pack: allowed are default"
    metadata = {"name": "orlop-scheduler", "namespace": "orlop-system"}
    wrong = {"profiles.yaml": "profiles: [{name: pack, weights: [{name: stack}]}]"}
    await user.call(
        "POST", MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": wrong}
    )
    try:
        event = await told(user, "profiles[0].weights[0].name is 'stack': allowed are 'spread', 'pack'")
        assert (event["type"], event["reason"]) == ("Warning", "ProfilesRefused")
        assert event["note"].endswith("; the built-in profile is used until then")
        await user.call("PATCH", f"{MAPS}/orlop-scheduler", {"data": {"profiles.yaml": PACK}})
        # The fullest of the two is the smaller one; nobody asked the Instance to look again.
        assert (await it.ready("packed"))["status"]["nodeName"] == "node-2"
        assert (await it.boot("spread"))["status"]["nodeName"] == "node-1"
        await user.call("PATCH", f"{MAPS}/orlop-scheduler", {"data": {"profiles.yaml": "default: none"}})
        assert (await told(user, "default is none"))["note"].endswith("; the last good one stays in force")
        packed = await it.boot("packed-2", placement={"profile": "pack"})
        assert packed["status"]["nodeName"] == "node-2"
    finally:
        await user.call("DELETE", f"{MAPS}/orlop-scheduler")
