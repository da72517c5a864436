"""Volumes of real guests: attached, detached and handed on while they run, bit for bit."""

import textwrap
import time

import pytest

from orlop_cluster.lab import until
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e

WORDS = r"""
sum() { dd if=$1 bs=64k count=64 2>/dev/null | sha256sum | cut -c1-16; }
size() { cat /sys/block/${1##*/}/size; }
come() { while ! disk-by-serial $1 2>/dev/null; do sleep 0.2; done; }
go() { while disk-by-serial $1 >/dev/null 2>&1; do sleep 0.2; done; }
"""


def script(text):
    return {"inline": "#!/bin/sh\n" + WORDS + textwrap.dedent(text)}


def mounts(*names, **more):
    return [{"name": name, "volumeRef": {"name": name}, **more} for name in names]


def volume(cluster, name, size="64Mi", **spec):
    cluster.apply(cluster.object("Volume", name, {"size": size, "className": "local", **spec}))
    return cluster.get("ovol", name, NAMESPACE)["metadata"]["uid"]


def says(cluster, instance, text, seconds=60):
    """The rest of the first line of user data that begins so."""
    start = f"user-data: {text}"
    console = until(lambda: cluster.console(instance), lambda seen: start in seen, seconds)
    return next(line for line in console.splitlines() if line.startswith(start)).removeprefix(start).strip()


def test_data_stays_bit_for_bit(cluster):
    uid = volume(cluster, "bits")
    serial = uid[:20]
    writer = cluster.create(
        "writer",
        userData=script(f"""
            d=$(come {serial}); echo "CAME $d"
            dd if=/dev/urandom of=$d bs=64k count=64 2>/dev/null; sync; echo "WROTE $(sum $d)"
            go {serial}; echo GONE
            d=$(come {serial}); echo "AGAIN $(sum $d)"
            go {serial}; echo END
        """),
    )
    began = time.monotonic()
    cluster.patch("writer", {"volumes": mounts("bits")})
    assert says(cluster, writer, "CAME") == "/dev/vdc"
    cluster.wait("inst/writer", namespace=NAMESPACE)
    print(f"attach {time.monotonic() - began:.1f} s")
    written = says(cluster, writer, "WROTE")
    began = time.monotonic()
    cluster.patch("writer", {"volumes": []})
    says(cluster, writer, "GONE")
    print(f"detach {time.monotonic() - began:.1f} s")
    cluster.patch("writer", {"volumes": mounts("bits")})
    assert says(cluster, writer, "AGAIN") == written
    cluster.patch("writer", {"volumes": []})
    says(cluster, writer, "END")
    cluster.delete("writer")
    cluster.delete("bits", kind="ovol")
