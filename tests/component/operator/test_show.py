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


async def test_what_leads_to_its_ports_is_drawn(user: Api, agents: Agents, cloud: ApiServer) -> None:
    """A Router, a SecurityGroup and a floating address, by their owners' objects; and without the right to them."""
    it = await tenant(user, "led")
    await it.make("networks", wishes.network("led", "green", "10.20.0.0/24"))
    pools = [{"start": "192.0.2.64", "end": "192.0.2.66"}]
    public = {
        "segment": {"type": "Flat", "physicalNetwork": "public"},
        "subnets": [{"name": "v4", "cidr": "192.0.2.0/24", "pools": pools}],
    }
    await it.make("networks", wishes.thing("Network", "led", "public", public))
    for name in ("green", "public"):
        await it.ready(name, "networks")
    joins = {"networks": [{"name": "blue"}, {"name": "green"}]}
    await it.make("routers", wishes.thing("Router", "led", "vpc", joins))
    await it.ready("vpc", "routers")
    await it.make(
        "securitygroups", wishes.thing("SecurityGroup", "led", "web", {"ingress": [], "egress": []})
    )
    leads = {
        "networkRef": {"name": "public"}, "address": "192.0.2.65", "portRef": {"name": "web-eth0"},
        "ports": [{"port": 8080, "targetPort": 80}],
    }  # fmt: skip
    await it.make("floatingips", wishes.thing("FloatingIP", "led", "web", leads))
    nic = {"name": "eth0", "networkRef": {"name": "blue"}, "securityGroupRefs": [{"name": "web"}]}
    await it.boot("web", networks=[nic])
    await it.ready("web", "floatingips")
    drawn = run(cloud.kubeconfig, "net", "show", "blue", "-n", "led")
    assert (drawn.returncode, drawn.stderr) == (0, "")
    made = [line.rstrip() for line in drawn.stdout.splitlines()]
    mac = made[-2].split()[4]
    assert made[2:] == [
        "├── Router vpc  Ready",
        "│   └── Network green  10.20.0.0/24",
        f"└── node node-1  {agents['node-1'].address}",
        f"    └── web  eth0  10.10.0.2  {mac}  Running  in web",
        "        └── floating 192.0.2.65  of led/public  Ready  TCP 8080 to 80",
    ]
    drawn = run(cloud.kubeconfig, "net", "show", "public", "-n", "led")
    assert [line.rstrip() for line in drawn.stdout.splitlines()] == [
        "Network led/public  Ready  external, public",
        "├── subnet v4  192.0.2.0/24, 2 of 3 addresses free",
        "└── floating addresses",
        "    └── 192.0.2.65  web  to Port web-eth0 (10.10.0.2) on node-1  Ready  TCP 8080 to 80",
    ]
    await it.delete("web")
    await it.delete("web", "floatingips")


def test_what_the_user_may_not_read_is_left_out(cloud: ApiServer, tmp_path: Path) -> None:
    cloud.kubectl("create", "namespace", "partly")
    network = wishes.network("partly")
    cloud.kubectl("create", "-f", "-", stdin=yaml.safe_dump(network))
    rights = ("--verb=get,list", "--resource=networks.orlop.dev,ports.orlop.dev")
    cloud.kubectl("-n", "partly", "create", "role", "some", *rights)
    cloud.kubectl("-n", "partly", "create", "serviceaccount", "some")
    cloud.kubectl(
        "-n", "partly", "create", "rolebinding", "some", "--role=some", "--serviceaccount=partly:some"
    )
    config = yaml.safe_load(cloud.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": cloud.kubectl("-n", "partly", "create", "token", "some").strip()}
    partly = tmp_path / "partly"
    partly.write_text(yaml.safe_dump(config))
    done = run(partly, "net", "show", "blue", "-n", "partly")
    assert done.returncode == 0
    assert done.stdout.startswith("Network partly/blue")
    left = {
        "NIC names and states": "instances", "Routers": "routers", "floating addresses": "floatingips",
        "names of SecurityGroups": "securitygroups",
    }  # fmt: skip
    assert done.stderr.splitlines() == [
        f"orlop: {what} are left out: you may not list {plural}.orlop.dev in namespace partly:"
        " the role view of that namespace has it"
        for what, plural in left.items()
    ]


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
