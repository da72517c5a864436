"""Debian roots in layers, built by mmdebstrap and apt without a container engine.

A layer is a directory of what it adds to the layers below it (an overlay's upper directory). All images share
the lowest one, so the essential system is fetched and configured once.
"""

import os
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orlop_cluster.places import cache_root, fingerprint, locked
from orlop_cluster.process import run, step

SUITE = "bookworm"
LEFT_OUT = ("doc", "man", "locale", "info", "lintian", "bug")
RECIPE = "2"
"""Raised by hand when the way of building changes what comes out."""


@dataclass(frozen=True)
class Layer:
    """Debian packages on top of another layer."""

    name: str
    packages: tuple[str, ...]
    below: "Layer | None" = None

    @property
    def key(self) -> str:
        """The same packages on the same layers have the same name."""
        lower = self.below.key if self.below else ""
        return fingerprint(RECIPE, SUITE, lower, *self.packages)

    @property
    def directory(self) -> Path:
        return cache_root() / "debian" / f"{self.name}-{self.key}"

    def stack(self) -> list["Layer"]:
        """This layer and all below it, the lowest first."""
        return [*(self.below.stack() if self.below else []), self]


BASE = Layer("base", ("ca-certificates",))

NODE = Layer(
    "node",
    (
        # What kind's own base image holds.
        "systemd", "dbus", "containerd", "runc", "containernetworking-plugins", "conntrack", "iptables", "nftables",
        "iproute2", "ethtool", "util-linux", "mount", "kmod", "libseccomp2", "pigz", "e2fsprogs", "bash", "curl",
        "jq", "procps", "socat", "iputils-ping",
        # A hypervisor.
        "libvirt-daemon-system", "libvirt-clients", "libvirt-daemon-driver-qemu", "qemu-system-x86", "qemu-utils",
        "dnsmasq-base", "dmidecode",
    ),
    BASE,
)  # fmt: skip

PYTHON = Layer("python", ("python3", "python3-distutils"), BASE)

AGENT = Layer(
    "agent",
    ("libvirt0", "iproute2", "nftables", "qemu-utils", "util-linux", "kmod", "procps", "systemd"),
    PYTHON,
)


def ensure(layer: Layer) -> Path:
    """Build the layer, and those below it, unless they are there; return its directory."""
    if layer.below:
        ensure(layer.below)
    with locked(f"debian-{layer.name}"):
        if not layer.directory.exists():
            new = layer.directory.with_name(layer.directory.name + ".new")
            if new.exists():
                shutil.rmtree(new)
            new.parent.mkdir(parents=True, exist_ok=True)
            with step(f"Debian {SUITE}: {layer.name}"):
                if layer.below:
                    add_packages(layer, new)
                else:
                    bootstrap(layer, new)
            new.rename(layer.directory)
    return layer.directory


def bootstrap(layer: Layer, target: Path) -> None:
    """The essential system, from the machine's own package sources."""
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{d}/*" for d in LEFT_OUT]
    run([
        "nice", "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", *excluded,
        "--dpkgopt=force-unsafe-io", f"--include={','.join(layer.packages)}", SUITE, target, *sources(),
    ])  # fmt: skip


def sources() -> list[Path]:
    """Where apt finds Debian on this machine: only its own archive, not third parties' lists."""
    return [p for p in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")) if p.exists()]


INSTALL = """
set -eu
upper=$1 work=$2 lower=$3 root=$4; shift 4
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/var/cache/apt"
mount -t tmpfs tmpfs "$root/var/lib/apt/lists"
mkdir -p "$root/var/lib/apt/lists/partial" "$root/var/cache/apt/archives/partial"
touch "$root/run/resolv.conf"
mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
# Packages start no service while they are installed (policy-rc.d, see invoke-rc.d(8)).
printf '#!/bin/sh\\nexit 101\\n' > "$root/tmp/policy-rc.d"; chmod 755 "$root/tmp/policy-rc.d"
touch "$root/usr/sbin/policy-rc.d"; mount --bind "$root/tmp/policy-rc.d" "$root/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
chroot "$root" apt-get -q update
chroot "$root" apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=false install "$@"
umount "$root/usr/sbin/policy-rc.d"; rm "$root/usr/sbin/policy-rc.d"
rm -f "$root"/var/log/dpkg.log "$root"/var/log/alternatives.log "$root"/var/log/apt/* "$root"/var/lib/dpkg/*-old
rm -f "$root"/var/cache/ldconfig/aux-cache "$root"/etc/resolv.conf.dpkg-*
"""
"""Runs in a mount namespace of its own, so whatever happens its mounts end with it."""


def add_packages(layer: Layer, target: Path) -> None:
    """Install packages in an overlay over the layers below; what apt changed stays in `target`."""
    if layer.below is None:
        raise ValueError(layer.name)
    work, root = (target.with_name(f"{target.name}-{part}") for part in ("work", "root"))
    for directory in (target, work, root):
        directory.mkdir(parents=True)
    lower = ":".join(str(below.directory) for below in reversed(layer.below.stack()))
    try:
        run(
            ["nice", "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", INSTALL, "install",
             target, work, lower, root, *layer.packages]
        )  # fmt: skip
    finally:
        shutil.rmtree(work)
        root.rmdir()


def merged(layers: Sequence[Path], path: str) -> Path | None:
    """The file that `path` names in a stack of layers (lowest first), or None where it is not or was removed."""
    for layer in reversed(layers):
        candidate = layer / path.lstrip("/")
        if os.path.lexists(candidate):
            status = candidate.lstat()
            return None if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0 else candidate
    return None
