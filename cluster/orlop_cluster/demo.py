"""The demo: from nothing to four virtual machines in one Network, one with a Volume, pinging each other."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orlop_cluster import existing
from orlop_cluster.deploy import deploy
from orlop_cluster.lab import DEV, ROOT, Lab, until

FILE_SERVER = os.environ.get("ORLOP_FILE_SERVER", "http://198.18.0.2:8000")
"""Where the nodes find the guests' files; an existing cluster may have a server of its own."""
_NAMES = ("web-1", "web-2", "web-3", "web-4")
_ADDRESSES = {name: f"10.10.0.{20 + number}" for number, name in enumerate(_NAMES)}

_NEXT = """What to try next:
  export KUBECONFIG=$PWD/{kubeconfig} PATH=$PWD/.orlop/bin:$PATH
  kubectl explain inst.spec
  kubectl -n demo describe inst web-1
  kubectl -n demo patch inst web-2 --type=merge -p '{{"spec":{{"powerState":"Stopped"}}}}'
  kubectl -n demo get inst -w
  cluster/dev exec {first_node} -- tail {log}
  cluster/dev kill {last_node}      # a power cut; cluster/dev start {last_node} ends it
  make down                         # and nothing is left
"""

_PING = """#!/bin/sh
for host in {others}; do
  tries=0
  until ping -c 1 -W 1 "$host" >/dev/null 2>&1; do
    tries=$((tries + 1)); [ "$tries" -lt 90 ] || {{ echo "no answer from $host"; continue 2; }}
  done
  ping -c 3 "$host" | grep -E 'bytes from|received'
done
echo PING-DONE
"""


def demo(name: str) -> None:
    """Build what is missing, start the cluster, install Orlop, start the machines, show them."""
    lab = Lab(name)
    with _step("guest image"):
        build_guest("tiny")
    install(lab)
    if existing.enabled():
        build_guest("tiny", lab.guests)
    else:
        with _step("file server"):
            serve(lab, "tiny")
    with _step("four Instances"):
        lab.apply(*machines(lab.guests / "tiny.qcow2"))
        lab.wait("inst --all", seconds=240)
    _show(lab)


def build_guest(name: str, folder: Path | None = None) -> None:
    """Build a guest unless the cache has it; with `folder`, put copies of its files there."""
    _output([str(ROOT / "guests/build"), name, *(["--output", str(folder)] if folder else [])])


def install(lab: Lab) -> None:
    """A running cluster with Orlop in it; what is there already stays."""
    if not existing.enabled():
        for title, command in (
            ("build", ("build",)),
            ("container images", ("image", "operator", "agent")),
        ):
            with _step(title):
                subprocess.run([str(DEV), *command], check=True)
    with _step("cluster"):
        subprocess.run([str(DEV), "up", "--name", lab.name, "--nodes", "2"], check=True)
    with _step("Orlop"):
        deploy(lab)


def serve(lab: Lab, guest: str) -> None:
    """Hand out a guest's files (and those from before) inside the cluster's sealed network, until it ends."""
    build_guest(guest, lab.guests)
    lab.dev("serve", "--background", str(lab.guests))


def machines(disk: Path) -> list[dict[str, Any]]:
    """The demo's manifests: everything that a user would write."""
    url = f"{FILE_SERVER}/{disk.name}"
    digest = hashlib.sha256(disk.read_bytes()).hexdigest()
    shared: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}},
        _object("Flavor", "tiny", {"vcpus": 1, "memory": "96Mi", "rootDisk": "128Mi"}, namespace=None),
        _object("VolumeClass", "local", {"driver": "local"}, namespace=None),
        _object(
            "Image",
            "tiny",
            {"source": {"http": {"url": url}}, "checksum": f"sha256:{digest}"},
        ),
        _object("Network", "blue", {"subnets": [{"name": "v4", "cidr": "10.10.0.0/24"}]}),
        _object("Volume", "data", {"size": "64Mi", "className": "local"}),
    ]
    return shared + [_machine(name) for name in _NAMES]


def _machine(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "flavorName": "tiny",
        "boot": {"imageRef": {"name": "tiny"}},
        "networks": [{"name": "eth0", "networkRef": {"name": "blue"}, "address": _ADDRESSES[name]}],
    }
    if name == _NAMES[0]:
        spec["volumes"] = [{"name": "data", "volumeRef": {"name": "data"}}]
    if name == _NAMES[-1]:
        others = " ".join(_ADDRESSES[other] for other in _NAMES[:-1])
        spec["userData"] = {"inline": _PING.format(others=others)}
    return _object("Instance", name, spec)


def _object(kind: str, name: str, spec: dict[str, Any], namespace: str | None = "demo") -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "orlop.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def _show(lab: Lab) -> None:
    """What the user sees, each line from the cluster itself."""
    instances = {item["metadata"]["name"]: item for item in lab.get("inst")["items"]}
    last = instances[_NAMES[-1]]
    console = until(lambda: lab.console(last), lambda text: "PING-DONE" in text, seconds=180)
    print("\n$ kubectl get nodes,hypervisors\n" + lab.kubectl("get", "nodes,hypervisors"))
    print(
        "$ kubectl get inst --namespace demo -o wide\n"
        + lab.kubectl("get", "inst", "--namespace=demo", "-o", "wide")
    )
    print(f"Console of {_NAMES[-1]}, which runs on {last['status']['nodeName']}:")
    for line in console.splitlines():
        if "ORLOP-READY" in line or ("user-data:" in line and ("bytes from" in line or "received" in line)):
            print(f"  {line.strip()}")
    elsewhere = [
        other for other in _NAMES[:-1] if instances[other]["status"]["nodeName"] != last["status"]["nodeName"]
    ]
    crossed = [
        other for other in elsewhere if f"bytes from {_ADDRESSES[other]}" in console.replace("64 ", "")
    ]
    if not crossed:
        raise SystemExit(
            f"demo: {_NAMES[-1]} got no answer from a guest on the other node ({', '.join(elsewhere)})"
        )
    print(f"{', '.join(crossed)} answered from the other node.\n")
    first = instances[_NAMES[0]]
    kubeconfig = os.path.relpath(lab.kubeconfig, ROOT)
    print(
        _NEXT.format(
            kubeconfig=kubeconfig,
            first_node=first["status"]["nodeName"],
            log=f"/var/log/orlop/console/{first['metadata']['uid']}.log",
            last_node=last["status"]["nodeName"],
        )
    )


def _output(command: list[str]) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


@contextmanager
def _step(title: str) -> Iterator[None]:
    print(f"== {title}", flush=True)
    started = time.monotonic()
    yield
    print(f"== {title}: {time.monotonic() - started:.1f} s", flush=True)
