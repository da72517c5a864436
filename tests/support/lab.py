"""The development cluster for e2e tests and the bench: one for the whole run, gone with the test runner."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orlop_cluster import demo
from orlop_cluster.deploy import deploy
from orlop_cluster.lab import ROOT, Lab, until

NAMESPACE = "e2e"
WORKERS = ("worker", "worker2")


@dataclass(frozen=True)
class Guests:
    """Where the guests' files are, on this machine and for the nodes."""

    folder: Path

    def url(self, name: str) -> str:
        return f"{demo.FILE_SERVER}/{name}"

    def checksum(self, name: str) -> str:
        return f"sha256:{hashlib.sha256((self.folder / name).read_bytes()).hexdigest()}"


class Cluster(Lab):
    """The shared cluster, with the words that tests need beside kubectl's."""

    @property
    def workers(self) -> tuple[str, ...]:
        return tuple(f"{self.name}-{worker}" for worker in WORKERS)

    def object(self, kind: str, name: str, spec: dict, namespace: str | None = NAMESPACE) -> dict:
        metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
        return {"apiVersion": "orlop.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}

    def instance(self, name: str, namespace: str = NAMESPACE, network: str | None = "blue", **spec) -> dict:
        spec = {"flavorName": "tiny", "boot": {"imageRef": {"name": "tiny"}}} | spec
        if network:
            spec.setdefault("networks", [{"name": "eth0", "networkRef": {"name": network}}])
        return self.object("Instance", name, spec, namespace)

    def placed(
        self, name: str, node: str, nic: dict, script: str = "", namespace: str = NAMESPACE, **spec
    ) -> dict:
        """An Instance with this NIC, on this node; its guest runs the script."""
        spec |= {"networks": [{"name": "eth0", **nic}]}
        spec |= {"placement": {"nodeSelector": {"kubernetes.io/hostname": node}}}
        spec |= {"userData": {"inline": script}} if script else {}
        return self.instance(name, namespace, **spec)

    def create(self, name: str, namespace: str = NAMESPACE, seconds: int = 120, **spec) -> dict:
        """A ready Instance."""
        self.apply(self.instance(name, namespace, **spec))
        self.wait(f"inst/{name}", namespace=namespace, seconds=seconds)
        return self.get("inst", name, namespace)

    def delete(self, *names: str, kind: str = "inst", namespace: str = NAMESPACE, seconds: int = 120) -> None:
        """Gone, not only asked to go."""
        self.kubectl(
            "delete", kind, *names, "--namespace", namespace, f"--timeout={seconds}s", timeout=seconds + 30
        )

    def patch(self, name: str, spec: dict, namespace: str = NAMESPACE) -> None:
        self.kubectl(
            "patch", "inst", name, "--namespace", namespace, "--type=merge", "-p", json.dumps({"spec": spec})
        )

    def segment(self, network: str = "blue", namespace: str = NAMESPACE) -> int:
        return self.get("onet", network, namespace)["status"]["segmentID"]

    def answer(self, instance: dict, network: str = "blue") -> list[str]:
        """`<hostname> <boot id> <uptime>` from TCP 7 of a guest, asked by its own node's gateway."""
        namespace = f"orlop-{self.segment(network, instance['metadata']['namespace'])}"
        ip = instance["status"]["addresses"][0]["ip"]
        ask = f"exec 3<>/dev/tcp/{ip}/7 && head -n1 <&3"
        found = self.on_node(
            instance["status"]["nodeName"],
            "ip",
            "netns",
            "exec",
            namespace,
            "timeout",
            "5",
            "bash",
            "-c",
            ask,
        )
        return found.split()

    def booted(self, instance: dict, seconds: float = 120, marks: int = 1) -> str:
        """The console, once the guest has said ORLOP-READY this often (once a boot)."""
        return until(lambda: self.console(instance), lambda text: text.count("ORLOP-READY") >= marks, seconds)

    def all_domains(self) -> list[str]:
        return sorted(name for node in self.workers for name in self.domains(node))


@pytest.fixture(scope="session")
def guests(cluster: Cluster) -> Guests:
    """The guests' files, as the cluster's file server hands them out."""
    return Guests(cluster.guests)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Two workers with Orlop on them and the basics applied; ends with this process, however that ends."""
    process = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    own = "e2e" if process == "gw0" else f"e2e-{process}"
    cluster = Cluster(os.environ.get("ORLOP_TEST_CLUSTER", own))
    keep = "ORLOP_TEST_CLUSTER" in os.environ  # a developer's own cluster stays
    try:
        if not keep:
            subprocess.run([ROOT / "cluster/dev", "build"], check=True)
            cluster.dev("up", "--nodes", "2", "--owner", str(os.getpid()))
        deploy(cluster)
        demo.serve(cluster, "tiny")
        cluster.apply(*basics(cluster, Guests(cluster.guests)))
        cluster.wait("img/tiny", namespace=NAMESPACE)
        cluster.wait("onet/blue", namespace=NAMESPACE)
        yield cluster
    finally:
        if not keep:
            cluster.dev("down")


def basics(cluster: Cluster, guests: Guests, namespace: str = NAMESPACE) -> list[dict]:
    """What every test's Instance names."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        cluster.object("Flavor", "tiny", {"vcpus": 1, "memory": "96Mi", "rootDisk": "128Mi"}, None),
        cluster.object("VolumeClass", "local", {"driver": "local"}, None),
        cluster.object("Image", "tiny", image(guests), namespace),
        cluster.object("Network", "blue", {"subnets": [{"name": "v4", "cidr": "10.20.0.0/24"}]}, namespace),
    ]


def image(guests: Guests, checksum: str | None = None) -> dict:
    """Spec of the Image of the tiny guest."""
    name = "tiny.qcow2"
    return {"source": {"http": {"url": guests.url(name)}}, "checksum": checksum or guests.checksum(name)}
