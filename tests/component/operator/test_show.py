"""`orlop net show` against a real API server: what it draws, and how it says no."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from support import wishes
from support.apiserver import ApiServer
from support.prepared import tenant
from support.scripted import Api, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]
ORLOP = Path(sys.executable).with_name("orlop")
PLUGIN = Path(sys.executable).with_name("kubectl-orlop")


def run(kubeconfig: Path, *arguments: str, program: Path = ORLOP) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"KUBECONFIG": str(kubeconfig)}
    environment.pop("FORCE_COLOR", None)
    return subprocess.run(
        [program, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def said(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    """Exit code and the one sentence; nothing else is said."""
    assert done.stdout == ""
    return done.returncode, done.stderr


async def test_a_network_is_drawn(user: Api, agents: Agents, cloud: ApiServer) -> None:
    it = await tenant(user, "drawn")
    await it.boot("web")
    await it.make("ports", wishes.port("drawn", "vip", address="10.10.0.100"))
    await it.ready("vip", "ports")
    segment = (await user.call("GET", it.path("networks") + "/blue"))["status"]["segmentID"]
    mac = f"02:{segment >> 16:02x}:{segment >> 8 & 255:02x}:{segment & 255:02x}"
    wanted = [
        f"Network drawn/blue  Ready  segment {segment}, MTU 1450, egress NAT",
        "├── subnet v4  10.10.0.0/24, gateway 10.10.0.1 on every node, DHCP Enabled, 251 of 253 addresses free",
        f"├── node node-1  {agents['node-1'].address}",
        f"│   └── web  eth0  10.10.0.2  {mac}:00:02  Running",
        "└── unbound Ports",
        f"    └── vip  10.10.0.100  {mac}:00:64  Ready",
    ]
    for program in (ORLOP, PLUGIN):
        done = run(cloud.kubeconfig, "net", "show", "blue", "-n", "drawn", program=program)
        assert (done.returncode, done.stderr) == (0, "")
        assert [line.rstrip() for line in done.stdout.splitlines()] == wanted
    found = json.loads(run(cloud.kubeconfig, "net", "show", "blue", "-n", "drawn", "-o", "json").stdout)
    assert found["nodes"][0]["ports"][0]["addresses"] == ["10.10.0.2"]
    assert said(run(cloud.kubeconfig, "net", "show", "red", "-n", "drawn")) == (
        1,
        "orlop: Network drawn/red does not exist\n",
    )
    await it.delete("web")


def test_no_is_one_sentence_and_a_number(cloud: ApiServer, tmp_path: Path) -> None:
    config = yaml.safe_load(cloud.kubeconfig.read_text())
    server, context = config["clusters"][0]["cluster"]["server"], config["contexts"][0]["name"]

    def changed(name: str, **changes: object) -> Path:
        path = tmp_path / name
        made = yaml.safe_load(cloud.kubeconfig.read_text())
        for key, value in changes.items():
            made[key] = value
        path.write_text(yaml.safe_dump(made))
        return path

    cloud.kubectl("-n", "default", "create", "serviceaccount", "nobody")
    token = cloud.kubectl("-n", "default", "create", "token", "nobody").strip()
    users = config["users"][0]["name"]
    nobody = changed("nobody", users=[{"name": users, "user": {"token": token}}])
    assert said(run(nobody, "net", "show", "blue")) == (
        3,
        "orlop: you may not get networks.orlop.dev in namespace default: the role view of that namespace has it\n",
    )
    stranger = changed("stranger", users=[{"name": users, "user": {"token": "of-nobody"}}])
    assert said(run(stranger, "net", "show", "blue")) == (
        3,
        f"orlop: {server} does not know you: log in as for kubectl\n",
    )
    away = changed(
        "away",
        clusters=[{"name": config["clusters"][0]["name"], "cluster": {"server": "https://127.0.0.1:9"}}],
    )
    assert said(run(away, "net", "show", "blue")) == (4, "orlop: https://127.0.0.1:9 does not answer\n")
    code, sentence = said(run(tmp_path / "missing", "net", "show", "blue"))
    assert code == 4
    assert sentence.startswith("orlop: no cluster to ask: ")
    assert sentence.count("\n") == 1
    assert said(run(cloud.kubeconfig, "net", "show", "blue", "--context", "other")) == (
        4,
        f"orlop: the kubeconfig has no context other; it has {context}\n",
    )
    done = run(cloud.kubeconfig, "net", "show")
    assert done.returncode == 2
    assert "Missing argument 'NETWORK'" in done.stderr
