"""What the cluster takes from the machine's own distribution, installed only where it is missing."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from orlop_cluster.process import StepError, run, step

BUILD: Mapping[str, str] = {
    "mmdebstrap": "mmdebstrap",
    "podman": "podman",
    "unshare": "util-linux",
    "openssl": "openssl",
}
"""Programs that building the node image needs, and the Debian packages that have them."""

RUN: Mapping[str, str] = {
    "podman": "podman",
    "crun": "crun",
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
    "/usr/sbin/iptables": "iptables",
    "ip": "iproute2",
    "setpriv": "util-linux",
}
"""Programs that running a sealed cluster needs."""


def there(program: str) -> bool:
    """Whether a program is on PATH, or a file, named by its whole path, exists."""
    return Path(program).exists() if program.startswith("/") else bool(shutil.which(program))


def missing(*needs: Mapping[str, str]) -> list[str]:
    """The packages of programs that are not on this machine; a name that starts with a slash is a file."""
    everything = [pair for need in needs for pair in need.items()]
    return sorted({package for program, package in everything if not there(program)})


def ensure(*needs: Mapping[str, str]) -> None:
    """Install what is missing; raises StepError, naming it, where that cannot be done."""
    install(missing(*needs))


def install(packages: Iterable[str]) -> None:
    wanted = list(packages)
    if not wanted:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise StepError(f"please install these first: {' '.join(wanted)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with step(f"apt-get install {' '.join(wanted)}"):
        run(["apt-get", "-q", "update"], env=quiet)
        run(["apt-get", "-q", "-y", "--no-install-recommends", "install", *wanted], env=quiet)
