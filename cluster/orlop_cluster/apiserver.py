"""A Kubernetes API without nodes: etcd and kube-apiserver, for tests that need only an API server.

A keeper process (this module, run as a program) starts both on a loopback address of its own and ends them,
in the right order, when its standard input closes: at the end of `running()`, and also when the process that
called it was killed.
"""

import itertools
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext, create_default_context

from orlop_cluster import gobuild
from orlop_cluster.process import StepError, run

_counter = itertools.count()
PATIENCE = 60.0
"""Seconds until an API server that does not get ready is given up; 4 are usual, a busy machine takes more."""


@dataclass(frozen=True)
class ApiServer:
    """A running API server and how to reach it as cluster-admin."""

    url: str
    kubeconfig: Path
    token: str
    ca: Path
    kubectl_path: Path
    directory: Path
    """Holds the logs etcd.log, kube-apiserver.log and audit.log; gone when the server ends."""

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl as cluster-admin and return what it printed; raises StepError with its error."""
        cache = self.directory / "kubectl-cache"
        return run(
            [self.kubectl_path, f"--kubeconfig={self.kubeconfig}", f"--cache-dir={cache}", *args], stdin=stdin
        )


def loopback_address(pid: int) -> str:
    """An address in 127.64.0.0/10 of the process's own, so that ports need no guessing.

    Process ids have at most 22 bits (proc(5), pid_max), and all of 127.0.0.0/8 is local on Linux.
    """
    return f"127.{64 + (pid >> 16 & 63)}.{pid >> 8 & 255}.{pid & 255}"


@contextmanager
def running(extra_arguments: Sequence[str] = ()) -> Iterator[ApiServer]:
    """Run an API server for the duration of the block; `extra_arguments` go to kube-apiserver.

    Raises StepError, with the end of its log, if it does not get ready.
    """
    package = Path(__file__).resolve().parents[1]
    with subprocess.Popen(
        [sys.executable, "-m", "orlop_cluster.apiserver", str(next(_counter)), *extra_arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A group of its own, lest Control-C reach it before the tests that use it have ended.
        process_group=0,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])},
    ) as keeper:
        if keeper.stdin is None or keeper.stdout is None:
            raise AssertionError
        try:
            told = json.loads(keeper.stdout.readline() or '{"error": "the keeper of the API server died"}')
            if "error" in told:
                raise StepError(told["error"])
            yield ApiServer(
                url=told["url"],
                token=told["token"],
                kubeconfig=Path(told["kubeconfig"]),
                ca=Path(told["ca"]),
                kubectl_path=Path(told["kubectl"]),
                directory=Path(told["directory"]),
            )
        finally:
            keeper.stdin.close()


def keep(number: int, extra_arguments: Sequence[str]) -> int:
    """The keeper: start, tell the caller, wait for it to go, end everything, remove the data."""
    programs = gobuild.binary().parent
    closed = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, lambda *_: closed.set())
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="orlop-apiserver-")))
        address, port = loopback_address(os.getppid()), 20000 + 3 * number
        stack.enter_context(_program(_etcd(programs, directory, address, port), directory))
        token = secrets.token_hex(16)
        server = stack.enter_context(
            _program(_apiserver(programs, directory, address, port, token, extra_arguments), directory)
        )
        told = describe(programs, directory, f"https://{address}:{port}", token)
        try:
            wait_ready(told["url"], Path(told["ca"]), server)
        except StepError as reason:
            told = {"error": f"{reason}\n{tail(directory / 'kube-apiserver.log')}"}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        while not closed.is_set() and server.poll() is None:
            # The caller never writes: readable means that it closed its end, or died.
            if select.select([sys.stdin], [], [], 0.5)[0]:
                break
    return 0


@contextmanager
def _program(argv: Sequence[str], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program with a log; leaving the block ends it. It dies with the keeper in any case."""
    name = Path(argv[0]).name
    with (directory / f"{name}.log").open("wb") as log:
        child = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", "--", *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            yield child
        finally:
            # The API server first, then etcd (the stack's order): an API server without its etcd hangs.
            # Its data is thrown away, so there is nothing for a graceful end to save.
            child.kill()
            child.wait()


def _etcd(programs: Path, directory: Path, address: str, port: int) -> list[str]:
    client, peer = f"http://{address}:{port + 1}", f"http://{address}:{port + 2}"
    return [
        str(programs / "etcd"),
        f"--data-dir={directory / 'etcd'}",
        "--unsafe-no-fsync",
        "--name=test",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=test={peer}",
        "--log-level=warn",
    ]


def _apiserver(
    programs: Path, directory: Path, address: str, port: int, token: str, extra_arguments: Sequence[str]
) -> list[str]:
    key = directory / "service-account.key"
    run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key])
    # Else it makes itself one of RSA, and signs with that for a millisecond at each new connection.
    run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"),
            *("-keyout", directory / "apiserver.key", "-out", directory / "apiserver.crt", "-days", "30"),
            *("-subj", "/CN=kube-apiserver", "-addext", f"subjectAltName=IP:{address}"),
        ]
    )
    public = directory / "service-account.pub"
    run(["openssl", "pkey", "-in", key, "-pubout", "-out", public])
    tokens = directory / "tokens.csv"
    tokens.write_text(f"{token},admin,admin,system:masters\n")
    policy = directory / "audit-policy.json"
    policy.write_text(json.dumps(AUDIT_POLICY))
    return [
        str(programs / "kube-apiserver"),
        f"--etcd-servers=http://{address}:{port + 1}",
        f"--bind-address={address}",
        f"--advertise-address={address}",
        f"--secure-port={port}",
        # Else it publishes its address as the endpoint of the Service, where loopback is refused.
        "--endpoint-reconciler-type=none",
        f"--cert-dir={directory}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        # As kubeadm sets it: the agent is a privileged pod.
        "--allow-privileged=true",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={public}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--profiling=false",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={directory / 'audit.log'}",
        *extra_arguments,
    ]


AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "None",
            "resources": [{"group": "coordination.k8s.io"}, {"group": "", "resources": ["events"]}],
        },
        {"level": "None", "nonResourceURLs": ["/*"]},
        {"level": "Metadata"},
    ],
}
"""Who asked for what, when; neither bodies nor the noise of leases and events."""


def describe(programs: Path, directory: Path, url: str, token: str) -> dict[str, str]:
    """Write the administrator's kubeconfig (JSON is YAML) and say where everything is."""
    kubeconfig, ca = directory / "kubeconfig", directory / "apiserver.crt"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(ca)}}],
                "users": [{"name": "admin", "user": {"token": token}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            }
        )
    )
    return {
        "url": url,
        "kubeconfig": str(kubeconfig),
        "token": token,
        "ca": str(ca),
        "kubectl": str(programs / "kubectl"),
        "directory": str(directory),
    }


def wait_ready(url: str, ca: Path, server: subprocess.Popen[bytes]) -> None:
    """Ask /readyz until it says yes; raises StepError if the server ends first or PATIENCE does."""
    deadline = time.monotonic() + PATIENCE
    context: SSLContext | None = None
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise StepError(f"kube-apiserver ended with status {server.returncode}")
        try:
            context = context or create_default_context(cafile=ca)
            with urllib.request.urlopen(f"{url}/readyz", timeout=5, context=context):  # noqa: S310 - our own https URL
                return
        except (OSError, urllib.error.URLError):
            # The API server offers nothing to wait on before it listens, hence a short poll.
            time.sleep(0.1)
    raise StepError(f"kube-apiserver was not ready within {PATIENCE:.0f} s")


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, or nothing where there is none."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1]), sys.argv[2:]))
