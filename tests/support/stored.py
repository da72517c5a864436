"""Objects put straight into etcd, as copies of ones that came to be in the usual way: ten thousand in some seconds."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
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
        """Keys and values below a prefix; a character is a byte."""
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
    return base64.b64encode(text.encode("latin-1")).decode()


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode("latin-1")


def copies(
    etcd: Etcd, instance: Mapping[str, Any], count: int, nodes: list[str], *, whole: bool = True
) -> Iterator[tuple[str, str]]:
    """Instance, Assignment, Port and Claim of as many more that are like this one, which is Ready and has one NIC.

    But `whole` they have no managed fields, which nobody reads here and which are most of what an API server holds.
    """
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
    its = its if whole else {key: _slim(value) for key, value in its.items()}
    own = {json.loads(value)["metadata"]["uid"] for value in its.values()} - {uid}
    made = datetime.fromisoformat(meta["creationTimestamp"])
    for n in range(count):
        address = f"10.0.{4 + n // 250}.{1 + n % 250}"
        changed = {
            uid: str(uuid4()),
            f'"{name}"': f'"idle-{n}"',
            f'"{name}-eth0"': f'"idle-{n}-eth0"',
            f"Instance {name} ": f"Instance idle-{n} ",
            f'"{nic["ip"]}"': f'"{address}"',
            f"-{nic['ip']}": f"-{address}",
            nic["mac"]: f"{nic['mac'][:12]}{(4 + n // 250):02x}:{(1 + n % 250):02x}",
            status["nodeName"]: nodes[n % len(nodes)],
            meta["creationTimestamp"]: (made - timedelta(seconds=n)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **{each: str(uuid4()) for each in own},
        }
        for key, value in its.items():
            there = "/".join(
                [*key.split("/")[:-1], _replaced(f'"{key.rpartition("/")[2]}"', changed).strip('"')]
            )
            yield there, _replaced(value, changed)


def twins(etcd: Etcd, first: str, uids: Iterable[str], names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Node, Lease and Hypervisor of as many more that are like the first node.

    The names are as long as its own: Kubernetes keeps its kinds as protobuf, where a string's length is before it.
    """
    below = ("/registry/minions/", LEASES, f"{PREFIX}/hypervisors/")
    its = {key: value for each in below for key, value in etcd.get(each).items() if key.endswith(first)}
    assert len(its) == 3, sorted(its)
    for name in names:
        assert len(name) == len(first)
        changed = {first: name, **{uid: str(uuid4()) for uid in uids}}
        for key, value in its.items():
            yield key.replace(first, name), _replaced(value, changed)


LEASES = "/registry/leases/orlop-nodes/"


def renewed(lease: str, was: datetime, now: datetime) -> str:
    """A stored Lease with another renewTime, of whole seconds: five bytes of protobuf until the year 2514."""
    old, new = (_varint(int(each.astimezone(UTC).timestamp())) for each in (was, now))
    assert len(old) == len(new) == 5
    assert old in lease
    return lease.replace(old, new)


def _varint(number: int) -> str:
    made = ""
    while number > 127:
        made, number = made + chr(number & 127 | 128), number >> 7
    return made + chr(number)


def _slim(value: str) -> str:
    body = json.loads(value)
    del body["metadata"]["managedFields"]
    return json.dumps(body, separators=(",", ":"))


def _replaced(text: str, changed: Mapping[str, str]) -> str:
    for old, new in changed.items():
        text = text.replace(old, new)
    return text
