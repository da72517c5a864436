"""Decision alone, at full size: goal 2,000 a second on one core, aim 5,000. A small form is among the unit tests."""

import pytest
from hypothesis import HealthCheck, given, settings

from orlop_cluster.lab import ROOT
from support import deciding, plot, scale
from support.plainly import WORLDS, compare

pytestmark = pytest.mark.timeout(1800)
GOAL = 2000
HOSTS = (500, 1600, 5000, 16000, 50000)
INSTANCES = (1000, 10000, 100000)

test_a_thousand_worlds = settings(max_examples=1000, suppress_health_check=[HealthCheck.too_slow])(
    given(**WORLDS)(compare)
)


def test_decisions(show_table):
    found = {**deciding.measure(5000, 10000).summary(), **deciding.footprint(5000, 10000)}
    scale.record("decision", found)
    show_table(
        "decision alone: 12 filters and 7 weights look, processor time of one core",
        (
            "hosts",
            "Instances",
            "decisions/s",
            "p50 µs",
            "p95 µs",
            "p99 µs",
            "bytes a node",
            "bytes an Instance",
        ),
        [
            [
                found["hosts"],
                found["instances"],
                int(found["decisions_per_second"]),
                *(found[f"p{share}_microseconds"] for share in (50, 95, 99)),
                int(found["bytes_per_host"]),
                int(found["bytes_per_instance"]),
            ]
        ],
    )
    assert found["unplaced"] == 0
    assert found["decisions_per_second"] >= GOAL


def test_growth(show_table):
    """What one more node and one more Instance cost, with ten and a hundred times as many."""
    by_hosts = [grown(hosts, 1000) for hosts in HOSTS]
    by_instances = [grown(5000, instances) for instances in INSTANCES]
    scale.record("decision_growth", {"by_hosts": by_hosts, "by_instances": by_instances})
    names = {
        "p50_microseconds": "decision µs",
        "added_host_microseconds": "one more node µs",
        "changed_host_microseconds": "a changed node µs",
        "added_instance_microseconds": "one more Instance µs",
        "explained_microseconds": "explanation µs",
    }
    rows = [
        [one["hosts"], one["instances"], *(one[name] for name in names)] for one in by_hosts + by_instances
    ]
    show_table("what grows with the size", ("hosts", "Instances", *names.values()), rows)
    for axis, found, across in (
        ("hosts", by_hosts, "Hypervisors"),
        ("instances", by_instances, "Instances held"),
    ):
        lines = {
            label.removesuffix(" µs"): [(one[axis], one[name]) for one in found]
            for name, label in names.items()
            if name.endswith("microseconds")
        }
        picture = plot.curves(f"Cost by {across}", across, "microseconds", lines)
        (ROOT / f".orlop/scheduler-by-{axis}.svg").write_text(picture)
    smallest, largest = by_hosts[0], by_hosts[-1]
    times = largest["hosts"] / smallest["hosts"]
    for name in ("p50_microseconds", "added_host_microseconds", "explained_microseconds"):
        assert largest[name] <= smallest[name] * times * 1.5, f"{name} grows faster than the number of hosts"
    few, many = by_instances[0], by_instances[-1]
    for name in ("p50_microseconds", "added_instance_microseconds", "added_host_microseconds"):
        assert many[name] <= few[name] * 3, f"{name} depends on how many Instances there are"


def grown(hosts, instances):
    found = deciding.measure(hosts, instances)
    world = found.world
    return {
        **found.summary(),
        "added_host_microseconds": deciding.added_host(world) * 1e6,
        "changed_host_microseconds": deciding.changed_host(world) * 1e6,
        "added_instance_microseconds": deciding.added_instance(world) * 1e6,
        "explained_microseconds": deciding.explained(world) * 1e6,
    }
