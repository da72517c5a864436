"""One sealed cluster: where its files are, whether it runs, and how to run something inside.

Everything of a cluster lives in network, mount, pid, ipc, uts and cgroup namespaces of its own. Its supervisor
lives outside of them, so that it can clean up after they have ended.
"""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from orlop_cluster import gobuild, nodeimage
from orlop_cluster.places import cache_root, state_root
from orlop_cluster.process import StepError

API_PORT = 6443
NAMESPACES = ("net", "mount", "ipc", "uts", "cgroup", "pid")
SERVE_ADDRESS, SERVE_PORT = "198.18.0.2", 8000
SUBNET, GATEWAY = "198.18.1.0/24", "198.18.1.1"


@dataclass(frozen=True)
class Sealed:
    """A cluster by its name, running or not."""

    name: str
    network: ClassVar[str] = "orlop"
    """The podman network that the nodes are in."""

    @property
    def state(self) -> Path:
        """Removed when the cluster ends."""
        return state_root() / "clusters" / self.name

    @property
    def cgroup(self) -> str:
        return f"orlop-{self.name}"

    @property
    def kubeconfig(self) -> Path:
        """For use from the machine, through the relay."""
        return state_root() / ("kubeconfig" if self.name == "orlop" else f"kubeconfig-{self.name}")

    @property
    def inner_kubeconfig(self) -> Path:
        """For use inside the sealed network, as kind wrote it."""
        return self.state / "kind-kubeconfig"

    @property
    def kubectl_cache(self) -> Path:
        """What kubectl remembers of the API; in a user's home it would outlive the cluster."""
        return self.state / "kubectl-cache"

    @property
    def record(self) -> dict[str, int]:
        """What the supervisor wrote: `supervisor` and `init` (process ids), `port` of the relay."""
        try:
            told: dict[str, int] = json.loads((self.state / "supervisor.json").read_text())
        except FileNotFoundError:
            return {}
        return told

    def supervised(self) -> bool:
        """Whether the supervisor is there, and is it: process ids come again."""
        with suppress(KeyError, FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{self.record['supervisor']}/cmdline").read_bytes().split(b"\0")
            return b"orlop_cluster.supervisor" in words and self.name.encode() in words
        return False

    def alive(self) -> bool:
        """Whether the supervisor and the namespaces it keeps are there."""
        return self.supervised() and Path(f"/proc/{self.record['init']}").exists()

    def inside(
        self, argv: Sequence[str | Path], *, namespaces: Sequence[str] = NAMESPACES
    ) -> list[str | Path]:
        """The command line that runs `argv` inside. Raises StepError if the cluster does not run."""
        if not self.alive():
            raise StepError(
                f"the cluster {self.name} does not run: `cluster/dev up --name {self.name}` starts it"
            )
        enter = ["nsenter", f"--target={self.record['init']}", *(f"--{kind}" for kind in namespaces)]
        return [*enter, *([f"--wd={Path.cwd()}"] if "mount" in namespaces else []), "--", *argv]

    def environment(self) -> dict[str, str]:
        """What podman, kind and kubectl need to know inside."""
        programs = gobuild.directory()
        return {
            "CONTAINERS_CONF": str(self.state / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.state / "storage.conf"),
            "KIND_EXPERIMENTAL_PROVIDER": "podman",
            "KIND_EXPERIMENTAL_PODMAN_NETWORK": "orlop",
            "KUBECACHEDIR": str(self.kubectl_cache),
            "KUBECONFIG": str(self.inner_kubeconfig),
            "PATH": f"{programs}:{os.environ.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}",
        }

    def write_configuration(self) -> None:
        """Podman's configuration: containers.conf(5), containers-storage.conf(5), and kind's network."""
        networks = self.state / "networks"
        networks.mkdir(parents=True, exist_ok=True)
        (self.state / "containers.conf").write_text(CONTAINERS_CONF.format(networks=networks))
        (self.state / "storage.conf").write_text(
            STORAGE_CONF.format(graph=self.state / "podman", images=nodeimage.store())
        )
        (networks / "orlop.json").write_text(json.dumps(NETWORK))

    def shared_cache(self, name: str) -> Path:
        """A directory that nodes may fill for the nodes to come; it belongs to one node image."""
        directory = cache_root() / "node" / nodeimage.key() / name
        directory.mkdir(parents=True, exist_ok=True)
        return directory


CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
# Podman's 2,048 would cap a whole node.
pids_limit = 0
log_driver = "k8s-file"
[engine]
# systemd has no part in it: cgroups are made in the cluster's own.
cgroup_manager = "cgroupfs"
events_logger = "none"
stop_timeout = 1
[network]
network_backend = "netavark"
network_config_dir = "{networks}"
"""

STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "{graph}"
runroot = "/run/orlop-podman"
[storage.options]
additionalimagestores = ["{images}"]
"""

NETWORK = {
    "name": "orlop",
    "id": "6f726c6f70" + "0" * 54,
    "driver": "bridge",
    "network_interface": "orlop0",
    "created": "2026-01-01T00:00:00Z",
    "subnets": [{"subnet": SUBNET, "gateway": GATEWAY}],
    "ipv6_enabled": False,
    "internal": False,
    "dns_enabled": True,
    "ipam_options": {"driver": "host-local"},
}
