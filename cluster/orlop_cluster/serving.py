"""Serve a directory at a fixed address inside a sealed network, with or without a terminal.

The server runs in the cluster's network and pid namespaces, so that it ends with the cluster, and in the machine's
mounts, to see every directory.
"""

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from orlop_cluster import fileserver
from orlop_cluster.process import StepError
from orlop_cluster.sealed import SERVE_ADDRESS, Sealed

PATIENCE = 20.0
"""Seconds for the server to listen; a tenth of one is usual."""


def command(cluster: Sealed, directory: Path, port: int) -> list[str | Path]:
    """The command line of a server. Raises StepError if there is no such directory or no such cluster."""
    if not directory.is_dir():
        raise StepError(f"no directory {directory}")
    argv = [sys.executable, fileserver.__file__, str(directory.resolve()), SERVE_ADDRESS, str(port)]
    # nsenter waits outside of the pid namespace; whoever ends it means the server.
    return cluster.inside(["setpriv", "--pdeathsig=KILL", "--", *argv], namespaces=("net", "pid"))


def in_background(cluster: Sealed, directory: Path, port: int) -> str:
    """Serve until the cluster ends or another directory is asked for; return the URL once it answers.

    A server of the same directory goes on; one of another is ended first. Raises StepError if it does not start.
    """
    argv = command(cluster, directory, port)
    asked = {"directory": str(directory.resolve()), "port": port}
    record = cluster.state / "serve.json"
    told = _read(record)
    if running(told) and {key: told[key] for key in asked} == asked:
        return str(told["url"])
    stop(told)
    with (cluster.state / "serve.log").open("a") as log:
        server = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, cwd="/",
            start_new_session=True,
        )  # fmt: skip
    if server.stdout is None:
        raise AssertionError
    with server.stdout as words:
        ready = select.select([words], [], [], PATIENCE)[0]
        url = words.readline().strip() if ready else ""
    if not url:
        server.kill()
        server.wait()
        raise StepError(f"the file server did not start; {cluster.state / 'serve.log'} says why")
    record.write_text(json.dumps({**asked, "url": url, "process": server.pid}))
    return url


def running(told: dict[str, Any]) -> bool:
    """Whether the process that was written down is there, and is the server: process ids come again."""
    with suppress(KeyError, FileNotFoundError, ProcessLookupError):
        words = Path(f"/proc/{told['process']}/cmdline").read_bytes().split(b"\0")
        return fileserver.__file__.encode() in words and str(told["directory"]).encode() in words
    return False


def stop(told: dict[str, Any], patience: float = 10.0) -> None:
    """End the server that was written down, if it runs, and wait until its port is free."""
    if not running(told):
        return
    process = int(told["process"])
    # The server is nsenter's one child (proc(5), task/TID/children); nsenter ends with it.
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    handle = os.pidfd_open(process)
    try:
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        if not select.select([handle], [], [], patience)[0]:
            raise StepError(f"the file server (process {process}) does not end")
    finally:
        os.close(handle)


def _read(record: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(record.read_text())
    except FileNotFoundError:
        return {}
    return told
