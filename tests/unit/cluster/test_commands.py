"""Which command lines are run where; nothing is run here."""

import argparse
import json
import os
from pathlib import Path

import pytest

from orlop_cluster import apt, cgroups, cli, existing, fileserver, lifecycle, opened, sealed, serving
from orlop_cluster.process import StepError


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    """A cluster whose files say that it runs; this process stands for its first one."""
    monkeypatch.setattr(sealed, "state_root", lambda: tmp_path)
    monkeypatch.setattr(sealed.Sealed, "supervised", lambda _: True)
    found = sealed.Sealed("blue")
    found.state.mkdir(parents=True)
    (found.state / "supervisor.json").write_text(
        json.dumps({"supervisor": 1, "init": os.getpid(), "port": 1})
    )
    return found


def test_inside_is_every_namespace(cluster):
    argv = cluster.inside(["kind", "get", "nodes"])
    assert argv[:2] == ["nsenter", f"--target={os.getpid()}"]
    assert argv[2:9] == ["--net", "--mount", "--ipc", "--uts", "--cgroup", "--pid", f"--wd={Path.cwd()}"]
    assert argv[9:] == ["--", "kind", "get", "nodes"]


def test_the_file_server_sees_the_machines_files_and_the_clusters_network(cluster, tmp_path):
    argv = serving.command(cluster, tmp_path, 8000)
    assert argv[2:5] == ["--net", "--pid", "--"]
    assert argv[-3:] == [str(tmp_path), "198.18.0.2", "8000"]


def test_a_server_of_the_same_directory_goes_on(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "running", bool)
    told = {"directory": str(tmp_path), "port": 8000, "url": "http://198.18.0.2:8000/", "process": 1}
    (cluster.state / "serve.json").write_text(json.dumps(told))
    assert serving.in_background(cluster, tmp_path, 8000) == told["url"]


def test_a_process_with_the_servers_number_is_not_the_server():
    assert not serving.running({"process": os.getpid(), "directory": "/"})
    assert not serving.running({})
    assert Path(fileserver.__file__).exists()


def test_a_cluster_that_does_not_run_says_how_to_start_it(monkeypatch, tmp_path):
    monkeypatch.setattr(sealed, "state_root", lambda: tmp_path)
    with pytest.raises(StepError, match="cluster/dev up --name red"):
        sealed.Sealed("red").inside(["true"])


def test_a_name_that_another_checkout_has_is_refused_and_nothing_touched(monkeypatch, tmp_path):
    group = tmp_path / "cgroup" / "orlop-red" / "node"
    group.mkdir(parents=True)
    (group.parent / "cgroup.procs").write_text("")
    (group / "cgroup.procs").write_text("17\n")
    monkeypatch.setattr(cgroups, "hierarchies", lambda: [tmp_path / "cgroup"])
    monkeypatch.setattr(sealed, "state_root", lambda: tmp_path / "state")
    with pytest.raises(StepError, match=r"another checkout runs a cluster red .* take another --name"):
        lifecycle.up(sealed.Sealed("red"), 2)
    assert group.is_dir()


def test_the_first_cluster_has_the_plain_kubeconfig(monkeypatch, tmp_path):
    monkeypatch.setattr(sealed, "state_root", lambda: tmp_path)
    assert sealed.Sealed("orlop").kubeconfig == tmp_path / "kubeconfig"
    assert sealed.Sealed("blue").kubeconfig == tmp_path / "kubeconfig-blue"


@pytest.mark.parametrize(
    ("working", "chosen"),
    [({"docker", "podman"}, "docker"), ({"podman"}, "podman"), ({"docker"}, "docker")],
)
def test_open_takes_the_engine_that_works(working, chosen):
    assert opened.engine(working.__contains__) == chosen


def test_open_says_so_when_none_works():
    with pytest.raises(StepError, match="neither `docker info` nor `podman info` succeeds"):
        opened.engine(lambda _: False)


def test_an_open_cluster_calls_its_engine_by_name(monkeypatch, tmp_path):
    monkeypatch.setattr(sealed, "state_root", lambda: tmp_path)
    cluster = opened.Open("blue")
    assert not cluster.alive()
    cluster.state.mkdir(parents=True)
    (cluster.state / "open.json").write_text(json.dumps({"engine": "docker", "image": "i"}))
    assert cluster.alive()
    assert cluster.inside(["podman", "exec", "n"]) == ["docker", "exec", "n"]
    assert cluster.inside(["kind", "get"]) == ["kind", "get"]


def test_which_cluster_is_meant():
    assert existing.enabled({"ORLOP_CLUSTER": "existing"})
    assert not existing.enabled({"ORLOP_CLUSTER": "sealed"})
    assert not existing.enabled({})
    with pytest.raises(StepError, match="'k3s'"):
        existing.enabled({"ORLOP_CLUSTER": "k3s"})


def test_which_kubeconfig_is_current(monkeypatch):
    monkeypatch.setenv("HOME", "/h")
    assert existing.kubeconfig({"KUBECONFIG": "/a:/b"}) == "/a:/b"
    assert existing.kubeconfig({}) == "/h/.kube/config"


@pytest.mark.parametrize("command", sorted(existing.REFUSED))
def test_an_existing_cluster_keeps_its_machines_to_itself(command):
    with pytest.raises(StepError, match=f"{command} is not possible with ORLOP_CLUSTER=existing: .+"):
        existing.dispatch(argparse.Namespace(command=command), terminal=False)


def test_building_is_the_same_with_an_existing_cluster():
    assert existing.dispatch(argparse.Namespace(command="image"), terminal=False) is None


def test_exec_goes_by_way_of_the_agent(monkeypatch):
    monkeypatch.setattr(existing, "ask", lambda *_: "pod/orlop-agent-x\n")
    monkeypatch.setattr(existing, "kubectl", lambda: Path("/bin/kubectl"))
    argv = existing.on_node("n1", ["virsh", "list"], terminal=False)
    assert argv[-2:] == ["virsh", "list"]
    assert "--target=1" in argv
    monkeypatch.setattr(existing, "ask", lambda *_: "")
    with pytest.raises(StepError, match="none runs on a node named n1"):
        existing.on_node("n1", ["true"], terminal=False)


def test_what_is_missing_is_named_by_package(tmp_path):
    assert apt.missing({"sh": "dash", "no-such-program": "b", str(tmp_path / "file"): "a"}) == ["a", "b"]


def test_a_mistake_is_one_sentence(monkeypatch, capsys):
    monkeypatch.delenv("ORLOP_CLUSTER", raising=False)
    monkeypatch.setattr("sys.argv", ["dev", "exec", "--name", "not-there", "worker", "--", "true"])
    assert cli.main() == 1
    assert capsys.readouterr().err == (
        "cluster/dev: the cluster not-there does not run: `cluster/dev up --name not-there` starts it\n"
    )
