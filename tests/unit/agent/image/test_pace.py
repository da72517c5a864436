"""Rates and what is left."""

from orlop_agent.image.pace import Pace

MIB = 1 << 20


def test_the_rate_is_smoothed_and_the_rest_follows_from_it():
    pace = Pace(100.0)
    first = pace.progress("node-1", 20 * MIB, 100 * MIB, 102.0)
    assert (first.rate_bytes_per_second, first.remaining_seconds) == (10 * MIB, 8)
    assert first.told() == "20Mi of 100Mi, 10Mi a second, 8 s to go"
    second = pace.progress("node-1", 20 * MIB, 100 * MIB, 104.0)
    assert (second.rate_bytes_per_second, second.remaining_seconds) == (8 * MIB, 10)


def test_without_a_length_nothing_is_promised():
    told = Pace(0.0).progress("node-1", 3 * MIB, None, 1.0)
    assert (told.total_bytes, told.remaining_seconds) == (None, None)
    assert told.told() == "3Mi, 3Mi a second"


def test_a_transfer_that_begins_anew_has_no_negative_rate():
    pace = Pace(0.0)
    pace.progress("node-1", 50 * MIB, 100 * MIB, 1.0)
    assert pace.progress("node-1", 2 * MIB, 100 * MIB, 2.0).rate_bytes_per_second == 0


def test_a_stalled_transfer_does_not_promise_more_than_a_month():
    assert Pace(0.0).progress("node-1", 1, 1 << 50, 1.0).remaining_seconds == 30 * 24 * 3600
