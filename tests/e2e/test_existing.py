"""ORLOP_CLUSTER=existing works with the cluster of the current kubeconfig; here that is the sealed cluster's own."""

import os
import subprocess

import pytest

from orlop_cluster.lab import DEV

pytestmark = pytest.mark.e2e


def dev(cluster, *arguments):
    environment = os.environ | {"ORLOP_CLUSTER": "existing", "KUBECONFIG": str(cluster.kubeconfig)}
    return subprocess.run([DEV, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_it_finds_the_cluster_and_its_hypervisors(cluster):
    up = dev(cluster, "up")
    assert up.returncode == 0, up.stderr
    assert up.stdout.strip().endswith(f"hypervisors: {', '.join(cluster.workers)}")
    assert dev(cluster, "kubeconfig").stdout.strip() == str(cluster.kubeconfig)
    assert "Ready" in dev(cluster, "status").stdout


def test_it_reaches_nodes_by_way_of_the_agent(cluster):
    node = cluster.workers[0]
    found = dev(cluster, "exec", node, "--", "hostname")
    assert (found.returncode, found.stdout.strip()) == (0, node), found.stderr
    assert "leading" in dev(cluster, "logs", "operator").stdout


@pytest.mark.parametrize("command", ["kill", "start", "cut", "heal"])
def test_what_needs_the_machine_below_is_refused(cluster, command):
    refused = dev(cluster, command, cluster.workers[0])
    assert refused.returncode == 1
    assert f"{command} is not possible with ORLOP_CLUSTER=existing: only the machine below" in refused.stderr


def test_down_leaves_the_cluster(cluster):
    assert "stays" in dev(cluster, "down").stderr
    assert "Ready" in cluster.kubectl("get", "nodes")
