"""`orlop explain` and `orlop capacity` against a real API server: the operator's own answer, and how they say no."""

import json
from pathlib import Path

import pytest
import yaml

from component.operator.test_show import run, said
from support import wishes
from support.apiserver import ApiServer
from support.prepared import tenant
from support.scripted import Api, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]


async def test_the_table_is_what_the_operator_decides_by(user: Api, agents: Agents, cloud: ApiServer) -> None:
    it = await tenant(user, "explained")
    await it.make("flavors", wishes.flavor("explained-huge", "4Ti"))
    await it.make("instances", wishes.instance("explained", "huge", flavorName="explained-huge"))
    told = await it.because("huge", "Unschedulable", kind="Scheduled")
    done = run(cloud.kubeconfig, "explain", "huge", "-n", "explained", "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["message"] == told
    assert [each["rejectedBy"][0]["filter"] for each in found["hypervisors"]] == ["memory", "memory"]

    booted = await it.boot("web")
    found = json.loads(run(cloud.kubeconfig, "explain", "web", "-n", "explained", "-o", "json").stdout)
    assert found["node"] == booted["status"]["nodeName"] == "node-1"
    drawn = run(cloud.kubeconfig, "explain", "web", "-n", "explained").stdout.splitlines()
    assert drawn[0].startswith("Instance explained/web  on node-1; it still fits there, and ")
    assert said(run(cloud.kubeconfig, "explain", "none", "-n", "explained")) == (
        1,
        "orlop: Instance explained/none does not exist\n",
    )


async def test_as_many_fit_as_it_says(user: Api, agents: Agents, cloud: ApiServer) -> None:
    """Of one that takes more than half of the larger node: one fits there, and then none."""
    it = await tenant(user, "fitting")
    await it.make("flavors", wishes.flavor("fitting-half", "40Gi"))
    ask = ("capacity", "--flavor", "fitting-half", "--image", "tiny", "-n", "fitting", "-o", "json")
    before = json.loads(run(cloud.kubeconfig, *ask).stdout)
    assert {each["name"]: each["count"] for each in before["hypervisors"]}["node-1"] == 1
    await it.boot("one", flavorName="fitting-half")
    after = json.loads(run(cloud.kubeconfig, *ask).stdout)
    assert after["total"] == before["total"] - 1
    (left,) = [each for each in after["hypervisors"] if each["name"] == "node-1"]
    assert (left["count"], left["limitedBy"][0]["filter"]) == (0, "memory")
    assert said(run(cloud.kubeconfig, "capacity", "--flavor", "none")) == (
        1,
        "orlop: Flavor none does not exist\n",
    )
    await it.delete("one")
    chosen = json.loads(run(cloud.kubeconfig, *ask, "--node-selector", "kubernetes.io/hostname=none").stdout)
    assert chosen["total"] == 0
    assert {each["limitedBy"][0]["filter"] for each in chosen["hypervisors"]} >= {"selector"}
    assert json.loads(run(cloud.kubeconfig, *ask, "--zone", "nowhere").stdout)["total"] == 0
    assert said(run(cloud.kubeconfig, *ask, "--profile", "none")) == (
        1,
        "orlop: scheduler profile none does not exist\n",
    )
    assert run(cloud.kubeconfig, *ask, "--node-selector", "wrong").returncode == 2
    assert run(cloud.kubeconfig, *ask, "--zone", "").returncode == 2


def test_a_tenant_is_told_which_right_it_takes(cloud: ApiServer, tmp_path: Path) -> None:
    cloud.kubectl("create", "namespace", "explaining")
    cloud.kubectl("-n", "explaining", "create", "serviceaccount", "tenant")
    account = "--serviceaccount=explaining:tenant"
    cloud.kubectl(
        "-n", "explaining", "create", "rolebinding", "tenant", "--clusterrole=orlop-editor", account
    )
    config = yaml.safe_load(cloud.kubeconfig.read_text())
    token = cloud.kubectl("-n", "explaining", "create", "token", "tenant").strip()
    config["users"][0]["user"] = {"token": token}
    theirs = tmp_path / "theirs"
    theirs.write_text(yaml.safe_dump(config))
    assert said(run(theirs, "explain", "web", "-n", "explaining")) == (
        3,
        "orlop: you may not list nodes in all namespaces: the ClusterRole orlop-placement-viewer has it\n",
    )
    cloud.kubectl(
        "create", "clusterrolebinding", "explaining", "--clusterrole=orlop-placement-viewer", account
    )
    assert run(theirs, "capacity", "--flavor", "small").returncode in {0, 1}
    assert said(run(theirs, "explain", "web", "-n", "explaining")) == (
        1,
        "orlop: Instance explaining/web does not exist\n",
    )
