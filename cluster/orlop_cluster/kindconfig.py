"""kind's configuration and the API server's audit policy. Written as JSON, which is YAML."""

import json
from typing import Any

from orlop_cluster.nodeimage import REFERENCE
from orlop_cluster.sealed import API_PORT

HYPERVISOR_LABEL = "orlop.dev/hypervisor"
AUDIT_POLICY_PATH = "/etc/kubernetes/audit-policy.json"
AUDIT_LOG_DIRECTORY = "/var/log/kubernetes"
SHARED_POOL = "lab"
"""Name of the shared pool that all workers have, for VolumeClasses of driver `shared`."""

AUDIT_POLICY: dict[str, Any] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    # What is left has both time stamps: requestReceivedTimestamp and, when it was done, stageTimestamp.
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "resources": [{"group": "orlop.dev"}]},
        {"level": "None", "users": ["system:apiserver", "system:kube-scheduler", "system:kube-proxy"]},
        {"level": "None", "userGroups": ["system:nodes"]},
        {"level": "None", "nonResourceURLs": ["*"]},
        {
            "level": "Metadata",
            "verbs": ["create", "update", "patch", "delete", "deletecollection"],
        },
        {"level": "None"},
    ],
}
"""Who wrote what and when: all of Orlop's resources, and everybody's writes but the cluster's own chatter.

Leases, Events, reviews and token requests are in it: a reader that counts writes leaves them out by resource.
"""


def kind_config(
    name: str,
    workers: int,
    *,
    audit_policy: str,
    capabilities: str,
    shared: str,
    image: str = REFERENCE,
    api_port: int = API_PORT,
) -> dict[str, Any]:
    """The cluster for `kind create cluster --config`.

    `audit_policy` is a file, `capabilities` a directory on this machine: libvirt's knowledge of QEMU, which it
    takes 8 seconds to find out and which is the same on every node. `shared` is a directory that all workers have
    mounted, as they would have one of an NFS server. With `api_port` 0 kind chooses a free one.
    """
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": name,
        "networking": {"apiServerAddress": "127.0.0.1", "apiServerPort": api_port},
        "kubeadmConfigPatches": [
            json.dumps(patch) for patch in (kubelet(), *kubelet_flags(), cluster_configuration())
        ],
        "nodes": [
            {
                "role": "control-plane",
                "image": image,
                "extraMounts": [
                    {"hostPath": audit_policy, "containerPath": AUDIT_POLICY_PATH, "readOnly": True}
                ],
            },
            *(
                {
                    "role": "worker",
                    "image": image,
                    "labels": {HYPERVISOR_LABEL: "true"},
                    "extraMounts": [
                        {"hostPath": capabilities, "containerPath": "/var/cache/libvirt/qemu/capabilities"},
                        {"hostPath": shared, "containerPath": f"/var/lib/orlop/shared/{SHARED_POOL}"},
                    ],
                }
                for _ in range(workers)
            ),
        ],
    }


def kubelet() -> dict[str, Any]:
    """Kubernetes 1.35 refuses cgroup version 1 unless told.

    Nothing here limits what pods write, so nobody needs to measure their directories every few seconds.
    """
    return {
        "kind": "KubeletConfiguration",
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "metadata": {"name": "config"},
        "failCgroupV1": False,
        "localStorageCapacityIsolation": False,
        "volumeStatsAggPeriod": "10m",
    }


def kubelet_flags() -> list[dict[str, Any]]:
    """Look at every cgroup once a minute instead of six times: nobody reads these figures here."""
    node = {"kubeletExtraArgs": {"housekeeping-interval": "60s"}}
    return [{"kind": kind, "nodeRegistration": node} for kind in ("InitConfiguration", "JoinConfiguration")]


def cluster_configuration() -> dict[str, Any]:
    """One replica of each component has nobody to elect; a cluster that is thrown away needs no fsync."""
    alone = {"leader-elect": "false"}
    return {
        "kind": "ClusterConfiguration",
        "metadata": {"name": "config"},
        "etcd": {"local": {"extraArgs": {"unsafe-no-fsync": "true"}}},
        "controllerManager": {"extraArgs": alone},
        "scheduler": {"extraArgs": alone},
        "apiServer": {
            "extraArgs": {
                "audit-policy-file": AUDIT_POLICY_PATH,
                "audit-log-path": f"{AUDIT_LOG_DIRECTORY}/audit.log",
                "audit-log-maxsize": "200",
                "audit-log-maxbackup": "2",
            },
            "extraVolumes": [
                {
                    "name": "audit-policy",
                    "hostPath": AUDIT_POLICY_PATH,
                    "mountPath": AUDIT_POLICY_PATH,
                    "readOnly": True,
                    "pathType": "File",
                },
                {
                    "name": "audit-log",
                    "hostPath": AUDIT_LOG_DIRECTORY,
                    "mountPath": AUDIT_LOG_DIRECTORY,
                    "pathType": "DirectoryOrCreate",
                },
            ],
        },
    }
