"""Debian roots in layers, built by mmdebstrap and apt without a container engine.

A layer is a directory of what it adds to the layers below it (an overlay's upper directory). All images share
the lowest one, so the essential system is fetched and configured once.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from orlop_cluster.archive import LayerFile, pack, packed
from orlop_cluster.places import SOURCES, cache_root, fingerprint, locked
from orlop_cluster.process import run, step

SUITE = "bookworm"
MERGED = Path("/usr/share/mmdebstrap/hooks/merged-usr")
LEFT_OUT = ("doc", "man", "locale", "info", "lintian", "bug")
INSTALL = SOURCES / "debian" / "install.sh"
RECIPE = "4"
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

    def packed(self) -> LayerFile:
        """The layer as a tar."""
        ensure(self)
        tar = self.directory.with_suffix(".tar")
        with locked(f"debian-{self.name}"):
            # Device nodes are the container's runtime's business.
            return packed(tar) or pack(tar, self.directory, leave_out=lambda name: name.startswith("dev/"))

    def stack(self) -> list["Layer"]:
        """The layer and all below it, the lowest first."""
        return [*(self.below.stack() if self.below else []), self]


BASE = Layer("base", ("ca-certificates", "usr-is-merged"))
"""The essential system. usr-is-merged says that all programs are in /usr; usrmerge, its alternative, takes Perl."""

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
        # QEMU's drivers for iSCSI and Ceph, and a server of targets, which runs only where somebody starts it.
        "qemu-block-extra", "tgt",
        # Guests with UEFI, and with a TPM.
        "ovmf", "swtpm", "swtpm-tools",
    ),
    BASE,
)  # fmt: skip

PYTHON = Layer("python", ("python3",), BASE)

"""What kube-proxy and the pod network call."""

AGENT = Layer(
    "agent",
    (
        "libvirt0",
        "bubblewrap",
        "iproute2",
        "nftables",
        "qemu-utils",
        "util-linux",
        "kmod",
        "procps",
        "systemd",
        "tgt",
        # Ceph: QEMU's driver, which copies, and the bindings that make, rename and delete.
        "qemu-block-extra",
        "python3-rados",
        "python3-rbd",
    ),
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
        # As in add_packages, what is mounted for it ends with it, whoever ends it.
        "nice", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
        "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", *excluded,
        "--dpkgopt=force-unsafe-io", f"--hook-dir={MERGED}",
        # What mmdebstrap copies from this machine is no part of an image.
        '--customize-hook=: > "$1/etc/resolv.conf"', '--customize-hook=rm -f "$1/etc/hostname"',
        f"--include={','.join(layer.packages)}", SUITE, target, *sources(),
    ])  # fmt: skip


def sources() -> list[Path]:
    """Where apt finds Debian on this machine: only its own archive, not third parties' lists."""
    return [
        p
        for p in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
        if p.exists()
    ]


def add_packages(layer: Layer, target: Path) -> None:
    """Install packages in an overlay over the layers below; what apt changed stays in `target`."""
    if layer.below is None:
        raise ValueError(layer.name)
    work, root = (target.with_name(f"{target.name}-{part}") for part in ("work", "root"))
    for directory in (target, work, root):
        directory.mkdir(parents=True)
    lower = ":".join(str(below.directory) for below in reversed(layer.below.stack()))
    try:
        run([
            "nice", "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", INSTALL,
            target, work, lower, root, *layer.packages,
        ])  # fmt: skip
    finally:
        shutil.rmtree(work)
        root.rmdir()
