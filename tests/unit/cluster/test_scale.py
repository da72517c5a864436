"""The file of `make scale`: sections are written by different tests, and none loses another's."""

from support import scale


def test_a_section_takes_the_place_of_its_last_one_and_of_no_other(tmp_path):
    file = tmp_path / "deep/scale.json"
    scale.record("decision", {"decisions_per_second": 1}, file)
    scale.record("creates", {"creates_per_second": 2}, file)
    scale.record("decision", {"decisions_per_second": 3}, file)
    found = scale.recorded(file)
    assert found["decision"]["decisions_per_second"] == 3
    assert found["creates"]["creates_per_second"] == 2
    assert "Python" in found["decision"]["on"]
    assert scale.spread(range(101)) == {"p50": 50, "p95": 95, "p99": 99}
