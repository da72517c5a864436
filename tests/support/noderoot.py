"""A libvirtd of the nodes' own release without a node: in a root of its layers, in namespaces of its own.

What it writes is in memory, and all of it ends with whoever started it.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from orlop_cluster.debroot import NODE
from support import guardian

_PATIENCE = 60.0
_SETTINGS = (
    'cgroup_controllers = []\nsecurity_driver = "none"\nuser = "root"\ngroup = "root"\nstdio_handler = "file"\n'
    "namespaces = []\n"
)
# The run directory is this machine's, so that its clients find the socket; so is the data, under the same name.
_ENTER = """set -eu
mount -t tmpfs tmpfs "$place/memory"
mkdir "$place/memory/upper" "$place/memory/work"
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$place/memory/upper,workdir=$place/memory/work" "$place/root"
mount -t proc proc "$place/root/proc"
mount --rbind /dev "$place/root/dev"
mount -t sysfs sysfs "$place/root/sys"
mount --bind "$place/run" "$place/root/run"
mount -t tmpfs tmpfs "$place/root/tmp"
mkdir -p "$place/root$place/data"
mount --bind "$place/data" "$place/root$place/data"
cp "$place/qemu.conf" "$place/root/etc/libvirt/qemu.conf"
# The shell stays: the first process of the namespace is who takes in what others leave.
chroot "$place/root" libvirtd
exit $?
"""


class NodeLibvirt:
    """Serves at `uri`; QEMU and this machine's programs find what is below `data` under the same name."""

    def __init__(self, within: Sequence[str] = ()) -> None:
        """`within` is put before the daemon's command, for namespaces of somebody's."""
        self._within = within
        # A socket's path has at most 107 bytes (unix(7)).
        self._place = guardian.directory("orlop-virt")
        self.data = self._place / "data"
        self._daemon: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """For libvirt.open."""
        return f"qemu+unix:///system?socket={self._socket}"

    @property
    def _socket(self) -> Path:
        return self._place / "run/libvirt/libvirt-sock"

    def __enter__(self) -> Self:
        for name in ("memory", "root", "run", "data"):
            (self._place / name).mkdir()
        (self._place / "qemu.conf").write_text(_SETTINGS)
        lower = ":".join(str(layer.directory) for layer in reversed(NODE.stack()))
        own = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")
        log = (self._place / "log").open("wb")
        with log:
            self._daemon = subprocess.Popen(
                [*self._within, "setpriv", "--pdeathsig=KILL", "--", *own, "sh", "-c", _ENTER],
                env={"place": str(self._place), "lower": lower, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._socket.exists():
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                said = (self._place / "log").read_text()
                self.__exit__()
                raise RuntimeError(f"libvirtd does not serve: {said}")
            time.sleep(0.1)  # nobody tells of it
        return self

    def __exit__(self, *_: object) -> None:
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
        shutil.rmtree(self._place)
