"""A real Ceph cluster, as small as one gets: a monitor, and a store in memory. It ends with whoever started it.

Nothing of it is on this machine's disks but its settings, and nothing listens beyond one address. The test run's own
guardian ends it where the run is killed.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

POOL = "vms"
USER = "orlop"
KEY = "AQAzewhra33pKBAA2I8pFiZnxgF96PQ8EgCWlw=="
"""The user's cephx key, of such clusters alone."""
_PATIENCE = 60.0
_SETTINGS = """[global]
fsid = {fsid}
mon host = v2:{address}:{port}
public addr = {address}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = {directory}/keyring
run dir = {directory}
admin socket =
log file = /dev/null
mon cluster log file = /dev/null
mon data = {directory}/mon
osd data = {directory}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
ms bind msgr1 = false
osd pool default size = 1
osd pool default min size = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
"""


def _as_it_is(command: Sequence[str]) -> list[str]:
    return ["setpriv", "--pdeathsig=KILL", "--", *command]


class Ceph:
    """Its settings are in `directory`.

    `within` makes the command line that runs a daemon where its clients reach it, and ends it with its parent.
    """

    def __init__(
        self,
        directory: Path,
        address: str = "127.0.0.1",
        port: int | None = None,
        within: Callable[[Sequence[str]], Sequence[str | Path]] = _as_it_is,
    ) -> None:
        if port is None:
            with socket.create_server((address, 0)) as free:
                port = free.getsockname()[1]
        self.address, self.port = address, port
        self._within = within
        self._directory = directory
        self._daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for daemon in reversed(self._daemons):
            daemon.kill()
            daemon.wait()

    @property
    def monitors(self) -> list[dict[str, Any]]:
        """As a VolumeClass names them."""
        return [{"host": self.address, "port": self.port}]

    def images(self, pool: str = POOL) -> list[str]:
        """Names of all images."""
        return sorted(json.loads(self.run("rbd", "--pool", pool, "--format", "json", "ls")))

    def snapshots(self, image: str) -> list[str]:
        """Names of an image's snapshots."""
        listed = json.loads(self.run("rbd", "--pool", POOL, "--format", "json", "snap", "ls", image))
        return [snapshot["name"] for snapshot in listed]

    def run(self, *command: str, stdin: str = "") -> str:
        """What one of Ceph's programs prints, as the cluster's administrator."""
        program, *rest = self._within(
            [command[0], "--conf", str(self._directory / "ceph.conf"), *command[1:]]
        )
        done = subprocess.run(
            [program, *rest], input=stdin, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def pause(self) -> None:
        """Nobody gets an answer until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for daemon in self._daemons:
            # nsenter(1) has the daemon as its child, and stops and goes on with it.
            children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
            for process in (*map(int, children), daemon.pid):
                if number != signal.SIGSTOP or process != daemon.pid or not children:
                    os.kill(process, number)

    def _start(self) -> None:
        where, fsid, disk = self._directory, str(uuid.uuid4()), str(uuid.uuid4())
        (where / "osd").mkdir()
        settings = _SETTINGS.format(fsid=fsid, address=self.address, port=self.port, directory=where)
        (where / "ceph.conf").write_text(settings)
        keyring = ("ceph-authtool", str(where / "keyring"), "--gen-key", "--name")
        self.run(*keyring, "mon.", "--create-keyring", "--cap", "mon", "allow *")
        self.run(*keyring, "client.admin", "--cap", "mon", "allow *", "--cap", "osd", "allow *")
        caps = ("--cap", "mon", "profile rbd", "--cap", "osd", f"profile rbd pool={POOL}")
        known = ("--name", f"client.{USER}", "--add-key", KEY, *caps)
        self.run("ceph-authtool", str(where / "keyring"), *known)
        monitor = f"[v2:{self.address}:{self.port}]"
        self.run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", monitor, str(where / "monmap"))
        made = ("--monmap", str(where / "monmap"), "--keyring", str(where / "keyring"))
        self.run("ceph-mon", "--mkfs", "--id", "a", *made)
        self._daemon("ceph-mon", "--foreground", "--id", "a")
        key = self.run("ceph-authtool", "--gen-print-key").strip()
        asked = json.dumps({"cephx_secret": key})
        number = self.run("ceph", "osd", "new", disk, "-i", "-", stdin=asked).strip()
        own = where / "osd/keyring"
        own.write_text(f"[osd.{number}]\nkey = {key}\n")
        store = ("--id", number, "--keyring", str(own))
        self.run("ceph-osd", "--mkfs", *store, "--osd-uuid", disk)
        self._daemon("ceph-osd", "--foreground", *store)
        self.run("ceph", "osd", "pool", "create", POOL, "8", "8")
        self.run("ceph", "osd", "pool", "application", "enable", POOL, "rbd")
        deadline = time.monotonic() + _PATIENCE
        while not json.loads(self.run("ceph", "--format", "json", "osd", "stat"))["num_up_osds"]:
            if time.monotonic() > deadline:
                raise TimeoutError("the store is not up")
            time.sleep(0.2)  # nobody tells of it

    def _daemon(self, *command: str) -> None:
        program, *rest = command
        line = self._within([program, "--conf", str(self._directory / "ceph.conf"), *rest])
        log = (self._directory / f"{program}.log").open("ab")
        with log:
            self._daemons.append(subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
