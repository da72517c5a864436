"""Board, firmware, TPM and processors from what a user names to what agents read, with the operator as a process."""

import pytest

from support import wishes
from support.prepared import Tenant, tenant
from support.scripted import Api, ScriptedAgent

pytestmark = pytest.mark.component
PLAIN = {
    "machineTypes": ["pc", "pc-i440fx-7.2"],
    "firmwares": ["BIOS"],
    "tpmVersions": [],
    "cpuModels": ["qemu64"],
    "cpuFeatures": ["aes"],
}
FULL = {
    "machineTypes": ["pc", "pc-q35-7.2", "q35"],
    "firmwares": ["BIOS", "UEFI"],
    "tpmVersions": ["2.0"],
    "cpuModels": ["Skylake-Server", "qemu64"],
    "cpuFeatures": ["aes", "avx512f"],
}
UNTOLD = "have an agent that does not say what hardware it offers (upgrade it)"


async def waits(it: Tenant, name: str, reason: str) -> None:
    message = f"0/2 hypervisors: 2 {reason}"
    await it.api.until(
        it.path("instances"),
        name,
        lambda thing: wishes.condition(thing, "Scheduled").get("message") == message,
    )


async def test_hardware_leads_to_nodes_that_have_it_and_into_the_order(
    user: Api, agents: dict[str, ScriptedAgent]
) -> None:
    it = await tenant(user, "boards", network=False)
    for name, hardware, reason in (
        ("board", {"machineType": "q35"}, "offer no machine type q35"),
        ("firmware", {"firmware": "UEFI", "machineType": "pc-q35-7.2"}, "offer no machine type pc-q35-7.2"),
        ("tpm", {"tpm": "2.0"}, "have no TPM 2.0"),
        ("model", {"cpu": {"model": "Skylake-Server"}}, "CPU model Skylake-Server is not usable"),
        ("features", {"cpu": {"features": ["avx512f", "aes"]}}, "CPU lacks avx512f"),
    ):
        for agent in agents.values():
            await agent.report(hardware=None)
        await it.make("instances", wishes.instance("boards", name, networks=[], hardware=hardware))
        await waits(it, name, UNTOLD)
        for agent in agents.values():
            await agent.report(hardware=PLAIN)
        await waits(it, name, reason)

    # What is the default asks for nothing, of an agent of any age.
    for agent in agents.values():
        await agent.report(hardware=None)
    await it.make(
        "instances", wishes.instance("boards", "plain", networks=[], hardware={"firmware": "BIOS", "cpu": {}})
    )
    plain = await it.ready("plain")
    assert "hardware" not in (await it.assignment(plain["metadata"]["uid"]))["spec"]

    node, agent = sorted(agents.items())[1]
    await agent.report(hardware=FULL)
    ordered = {}
    for name in ("board", "firmware", "tpm", "model", "features"):
        made = await it.ready(name)
        assert made["status"]["nodeName"] == node
        ordered[name] = (await it.assignment(made["metadata"]["uid"]))["spec"]["hardware"]
    assert ordered == {
        "board": {"machineType": "q35"},
        "firmware": {"firmware": "UEFI", "machineType": "pc-q35-7.2"},
        "tpm": {"tpm": "2.0"},
        "model": {"cpu": {"model": "Skylake-Server", "features": []}},
        "features": {"cpu": {"features": ["aes", "avx512f"]}},
    }


async def test_what_an_image_requires_counts_too(user: Api, agents: dict[str, ScriptedAgent]) -> None:
    it = await tenant(user, "boards-images", image=False, network=False)
    for agent in agents.values():
        await agent.report(hardware=PLAIN)
    requirements = {"firmware": "UEFI", "tpm": "2.0", "cpuFeatures": ["avx512f"]}
    image = wishes.image("boards-images", "debian")
    image["spec"]["requirements"] = requirements
    await it.make("images", image)
    await it.ready("debian", "images")
    boot = {"imageRef": {"name": "debian"}}
    await it.make("instances", wishes.instance("boards-images", "a", networks=[], boot=boot))
    await waits(it, "a", "offer no machine type q35")
    bios = wishes.instance("boards-images", "b", networks=[], boot=boot, hardware={"firmware": "BIOS"})
    await it.make("instances", bios)
    said = await it.because("b", "HardwareMismatch", kind="ImageReady")
    assert said == "Image boards-images/debian requires firmware UEFI, and spec.hardware says BIOS"
    for agent in agents.values():
        await agent.report(hardware=FULL)
    made = await it.ready("a")
    order = (await it.assignment(made["metadata"]["uid"]))["spec"]
    assert order["hardware"] == {
        "firmware": "UEFI", "machineType": "q35", "tpm": "2.0", "cpu": {"features": ["avx512f"]},
    }  # fmt: skip
