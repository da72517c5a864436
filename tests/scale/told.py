"""What the large runs of `make scale` share: their size, and how they are told."""

from typing import Any

from orlop_cluster.lab import ROOT
from scale.conftest import INSTANCES, NODES
from support import plot, scale

SECONDS = 60 + INSTANCES
PATIENCE = 600 + NODES + 4 * SECONDS
"""Seconds for a test: each wait inside has its own end, this one is for what hangs otherwise."""
TENANTS, NETWORKS = 2, max(1, INSTANCES // 50)
"""Namespaces, and Networks in each: 25 Instances to a Network.

A node follows its Instances' Networks, and two kinds of each of their namespaces, by a connection for each: with more
namespaces a thousand nodes need more than the 20,000 files that kube-apiserver may have open where this was measured.
"""


def table(show_table: Any, title: str, found: dict[str, Any]) -> None:
    rows = [
        [phase, *(f"{its[p]:.2f}" for p in ("p50", "p95", "p99"))] for phase, its in found["phases"].items()
    ]
    show_table(f"{title}: {found['creates_per_second']} creates/s", ("phase", "p50", "p95", "p99"), rows)


def keep(show_table: Any, section: str, found: dict[str, Any]) -> None:
    scale.record(section, {"nodes": NODES, **found})
    title = f"{found['instances']} on {NODES} nodes, {found['at_once']} at once"
    table(show_table, title, found)
    picture = plot.curves(title, "seconds from the create", "% of the Instances", found["curves"])
    (ROOT / f".orlop/{section.replace('_', '-')}.svg").write_text(picture)
    # Fewer where one write tells what two would have, on a machine that is behind.
    assert found["fewest_writes"]["all"] <= 9
    assert found["fewest_writes"]["instances"] <= 3
