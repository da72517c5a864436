"""Objects put straight into etcd, as copies of ones that came to be in the usual way: ten thousand in some seconds."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

from support.fleet import Fleet

PREFIX = "/registry/orlop.dev"
_AT_ONCE = 100
"""Puts of one transaction: etcd takes 128."""


class Etcd:
    """The one behind a fleet's API server, by its JSON gateway."""

    def __init__(self, fleet: Fleet) -> None:
        words = Path(f"/proc/{fleet.processes['kube-apiserver']}/cmdline").read_text().split("\0")
        self._url = next(w.partition("=")[2] for w in words if w.startswith("--etcd-servers="))

    def get(self, prefix: str) -> dict[str, str]:
        """Keys and values below a prefix."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        found = self._call("range", {"key": _encoded(prefix), "range_end": _encoded(end)})
        return {_decoded(kv["key"]): _decoded(kv["value"]) for kv in found.get("kvs", [])}

    def put(self, pairs: Iterable[tuple[str, str]]) -> int:
        """Write all; how many they were."""
        count, left = 0, iter(pairs)
        while some := list(islice(left, _AT_ONCE)):
            puts = [{"request_put": {"key": _encoded(k), "value": _encoded(v)}} for k, v in some]
            self._call("txn", {"success": puts})
            count += len(some)
        return count

    def _call(self, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - our own http URL
            f"{self._url}/v3/kv/{what}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the same
            made: dict[str, Any] = json.loads(answer.read())
            return made


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def copies(
    etcd: Etcd, instance: Mapping[str, Any], count: int, nodes: list[str]
) -> Iterator[tuple[str, str]]:
    """Instance, Assignment, Port and Claim of as many more that are like this one, which is Ready and has one NIC."""
    meta, status = instance["metadata"], instance["status"]
    uid, name = meta["uid"], meta["name"]
    (nic,) = status["addresses"]
    its = {
        key: value
        for plural in ("instances", "assignments", "ports", "claims")
        for key, value in etcd.get(f"{PREFIX}/{plural}/").items()
        if uid in value
    }
    assert len(its) == 4, sorted(its)
    own = {json.loads(value)["metadata"]["uid"] for value in its.values()} - {uid}
    for n in range(count):
        address = f"10.0.{4 + n // 250}.{1 + n % 250}"
        changed = {
            uid: str(uuid4()),
            f'"{name}"': f'"idle-{n}"',
            f'"{name}-eth0"': f'"idle-{n}-eth0"',
            f'"{nic["ip"]}"': f'"{address}"',
            f"-{nic['ip']}": f"-{address}",
            nic["mac"]: f"02:00:{n >> 24:02x}:{n >> 16 & 255:02x}:{n >> 8 & 255:02x}:{n & 255:02x}",
            status["nodeName"]: nodes[n % len(nodes)],
            **{each: str(uuid4()) for each in own},
        }
        for key, value in its.items():
            there = "/".join(
                [*key.split("/")[:-1], _replaced(f'"{key.rpartition("/")[2]}"', changed).strip('"')]
            )
            yield there, _replaced(value, changed)


def _replaced(text: str, changed: Mapping[str, str]) -> str:
    for old, new in changed.items():
        text = text.replace(old, new)
    return text
