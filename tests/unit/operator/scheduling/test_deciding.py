"""The small form of `make scale`'s decisions: the same code, sizes that take a moment, and no goal but sanity."""

from support import deciding, plot


def test_a_small_cloud_is_decided_upon():
    found = deciding.measure(400, 300)
    summary = found.summary()
    assert summary["unplaced"] == 0
    # A tenth of the goal for twelve times as many hosts: below that something is wrong, whatever else runs here.
    assert summary["decisions_per_second"] > 200
    assert deciding.added_host(found.world, 3) < 0.1
    assert deciding.changed_host(found.world, 3) < 0.1
    assert deciding.added_instance(found.world, 20) < 0.01
    assert deciding.explained(found.world, 2) < 0.5
    assert len(found.world.hosts) == 400
    assert 0 < deciding.footprint(100, 100)["bytes_per_instance"] < 2000


def test_curves_are_drawn_in_their_frame():
    drawn = plot.curves(
        "cost & size", "hosts", "µs", {"one": [(500, 20), (50000, 2000)], "two": [(500, 3), (50000, 4)]}
    )
    assert drawn.count("<polyline") == 2 + 4 + 5
    assert "cost &amp; size" in drawn
    assert "10,000" in drawn
