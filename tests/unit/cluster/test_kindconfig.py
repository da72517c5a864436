"""What kind is asked for, and what the API server writes down."""

import json

import pytest

from orlop_cluster.kindconfig import AUDIT_POLICY, AUDIT_POLICY_PATH, kind_config

ORLOP = {"resources": [{"group": "orlop.dev"}]}


@pytest.fixture
def config():
    return kind_config(
        "blue",
        2,
        audit_policy="/state/policy.json",
        capabilities="/cache/capabilities",
        shared="/state/shared",
    )


def patches(config):
    return {patch["kind"]: patch for patch in map(json.loads, config["kubeadmConfigPatches"])}


def test_workers_are_hypervisors_and_the_control_plane_is_not(config):
    control_plane, *workers = config["nodes"]
    assert control_plane["role"] == "control-plane"
    assert "labels" not in control_plane
    assert [worker["labels"] for worker in workers] == [{"orlop.dev/hypervisor": "true"}] * 2
    assert config["name"] == "blue"


def test_workers_have_one_directory_where_shared_pools_are(config):
    mount = {"hostPath": "/state/shared", "containerPath": "/var/lib/orlop/shared/lab"}
    assert [mount in node["extraMounts"] for node in config["nodes"]] == [False, True, True]


def test_the_api_listens_on_loopback(config):
    assert config["networking"] == {"apiServerAddress": "127.0.0.1", "apiServerPort": 6443}
    free = kind_config("blue", 0, audit_policy="p", capabilities="c", shared="s", api_port=0)
    assert free["networking"]["apiServerPort"] == 0
    assert len(free["nodes"]) == 1


def test_the_audit_policy_reaches_the_api_server(config):
    [mount] = config["nodes"][0]["extraMounts"]
    assert mount == {"hostPath": "/state/policy.json", "containerPath": AUDIT_POLICY_PATH, "readOnly": True}
    server = patches(config)["ClusterConfiguration"]["apiServer"]
    assert server["extraArgs"]["audit-policy-file"] == AUDIT_POLICY_PATH
    volumes = {volume["mountPath"] for volume in server["extraVolumes"]}
    assert volumes == {AUDIT_POLICY_PATH, "/var/log/kubernetes"}


def test_one_of_each_needs_no_election_and_no_disk_to_be_sure(config):
    cluster = patches(config)["ClusterConfiguration"]
    assert cluster["etcd"]["local"]["extraArgs"]["unsafe-no-fsync"] == "true"
    for component in ("controllerManager", "scheduler"):
        assert cluster[component]["extraArgs"]["leader-elect"] == "false"


def test_kubelets_take_cgroup_version_1_and_rest(config):
    found = patches(config)
    assert found["KubeletConfiguration"]["failCgroupV1"] is False
    for kind in ("InitConfiguration", "JoinConfiguration"):
        assert found[kind]["nodeRegistration"]["kubeletExtraArgs"] == {"housekeeping-interval": "60s"}


def level(user, verb, group, *groups):
    """The level of the first rule that matches, as the API server chooses (audit.k8s.io/v1, Policy)."""
    for rule in AUDIT_POLICY["rules"]:
        if rule.get("users") and user not in rule["users"]:
            continue
        if rule.get("userGroups") and not set(groups) & set(rule["userGroups"]):
            continue
        if rule.get("verbs") and verb not in rule["verbs"]:
            continue
        if rule.get("resources") and group not in [found["group"] for found in rule["resources"]]:
            continue
        if rule.get("nonResourceURLs"):
            continue
        return rule["level"]
    raise AssertionError


@pytest.mark.parametrize(
    "user", ["admin", "system:apiserver", "system:serviceaccount:orlop-system:orlop-operator"]
)
@pytest.mark.parametrize("verb", ["create", "patch", "update", "delete", "get", "watch"])
def test_everything_about_our_resources_is_written_down(user, verb):
    assert level(user, verb, "orlop.dev") == "Metadata"


def test_a_kubelets_chatter_is_not():
    assert level("system:node:a", "patch", "", "system:nodes") == "None"
    assert level("system:kube-scheduler", "create", "") == "None"


def test_other_writes_are_and_reads_are_not():
    account = "system:serviceaccount:orlop-system:orlop-operator"
    assert level(account, "create", "") == "Metadata"
    assert level(account, "list", "") == "None"


def test_an_entry_has_both_times():
    assert AUDIT_POLICY["omitStages"] == ["RequestReceived"]
