"""The job that KubeVirt publishes, with guests: minimal machines, one each tenth of a second.

`make scale` has ORLOP_PACED=5,10,25, one after the other; `make test` five, to keep it working.
"""

import os
from pathlib import Path

import pytest

from orlop_cluster.lab import ROOT
from support import paced, plot, scale
from support.lab import NAMESPACE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(7200)]
FULL = "ORLOP_PACED" in os.environ
COUNTS = [int(count) for count in os.environ.get("ORLOP_PACED", "5").split(",")]


@pytest.fixture
def ready(cluster):
    """Image and Network are on both nodes, and no guest."""
    cluster.apply(*paced.basics(cluster))
    cluster.wait(f"onet/{paced.NETWORK}", namespace=NAMESPACE)
    for node in cluster.workers:
        where = {"nodeSelector": {"kubernetes.io/hostname": node}}
        cluster.create(f"first-{node}", flavorName=paced.FLAVOR, network=paced.NETWORK, placement=where)
    end(cluster, len(cluster.workers))
    yield
    end(cluster, max(COUNTS))
    cluster.delete(paced.NETWORK, kind="onet")
    cluster.kubectl("delete", "flavor", paced.FLAVOR)


@pytest.mark.usefixtures("ready")
async def test_one_every_tenth_of_a_second(cluster, show_table, tmp_path):
    found = []
    with paced.administrator(cluster, tmp_path) as at:
        for count in COUNTS:
            found.append({"instances": count, **await measured(cluster, at, count)})
            if FULL:
                keep(found)
    show(found, show_table)
    for one in found:
        steps = one["phases"]
        assert steps["seen"]["of"] == steps["running"]["of"] == one["instances"]
        assert steps["bound"]["p50"] <= steps["running"]["p50"] <= steps["seen"]["p99"]


def keep(found):
    """Also where a larger size does not come to an end."""
    scale.record("paced_real", {"by_count": found})
    lines = {
        step: [(one["instances"], one["phases"][step]["p50"]) for one in found]
        for step in ("bound", "running", "seen", "guest")
    }
    title, across = "Guests created a tenth of a second apart, p50", "guests"
    (ROOT / ".orlop/paced-real.svg").write_text(plot.curves(title, across, "seconds", lines))


def show(found, show_table):
    rows = [
        [one["instances"], step, its["of"], its["p50"], its["p95"], its["p99"], one["mib_each"]]
        for one in found
        for step, its in one["phases"].items()
    ]
    names = ("guests", "step", "known of", "p50", "p95", "p99", "MiB a guest")
    show_table("real guests, one each tenth of a second", names, rows)


async def measured(cluster, at, count):
    """Of one size; nothing of it is left."""
    before = available()
    took = await paced.create(cluster, at, count, seconds=120 + 10 * count)
    each = (before - available()) / count
    end(cluster, count)
    return {"phases": paced.phases(took), "mib_each": round(each)}


def available():
    """MiB of memory that the machine has to give."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) / 1024


def end(cluster, count):
    seconds = 120 + 3 * count
    cluster.kubectl(
        "delete", "inst", "--all", "--namespace", NAMESPACE, f"--timeout={seconds}s", timeout=seconds + 30
    )
