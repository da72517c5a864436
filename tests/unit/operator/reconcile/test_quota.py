"""Who gets what of a Quota, in which order, and what the others are told."""

from dataclasses import replace

import pytest

from orlop_api.quota import MOST_HOLDERS, Hold
from orlop_operator.reserving import Asker, Outcome, reserve

LIMITS = {"instances": 3, "vcpus": 4}


def asker(name: str, vcpus: int = 1, **more: object) -> Asker:
    """Names sort as they were made."""
    return replace(
        Asker(name, f"Instance {name}", "2026-05-01T12:00:00Z", {"instances": 1, "vcpus": vcpus}), **more
    )


def served(*askers: Asker, holds: dict[str, Hold] | None = None, gone: tuple[str, ...] = ()) -> Outcome:
    return reserve(LIMITS, holds or {}, askers, gone)


def test_the_oldest_are_served_and_the_others_told():
    made = served(asker("d"), asker("a"), asker("c"), asker("b"))
    assert set(made.holds) == {"a", "b", "c"}
    assert made.refusals == {"d": "3 of 3 instances used, 1 asked"}


def test_age_comes_before_names():
    made = served(*(asker(name) for name in "abc"), asker("z", created="2026-05-01T11:00:00Z"))
    assert "c" in made.refusals


def test_all_that_is_short_is_said():
    made = served(*(asker(name) for name in "abc"), asker("d", vcpus=2))
    assert made.refusals == {"d": "3 of 3 instances used, 1 asked; 3 of 4 vcpus used, 2 asked"}


def test_a_small_one_does_not_overtake_a_large_one_that_lacks_the_same():
    made = served(asker("a", vcpus=2), asker("b", vcpus=3), asker("c"))
    assert set(made.holds) == {"a"}
    assert made.refusals == {
        "b": "2 of 4 vcpus used, 3 asked",
        "c": "2 of 4 vcpus used, 1 asked; Instance b is older and waits for more than is left",
    }


def test_what_can_never_fit_holds_nobody_back():
    made = served(asker("a", vcpus=5), asker("b"))
    assert set(made.holds) == {"b"}
    assert made.refusals == {"a": "0 of 4 vcpus used, 5 asked: more than there can be"}


def test_who_lacks_something_else_is_not_held_back():
    port = Asker("p", "Port p", "2026-05-01T13:00:00Z", {"ports": 1})
    made = served(asker("a", vcpus=3), asker("b", vcpus=2), port)
    assert set(made.holds) == {"a", "p"}


def test_what_is_not_limited_is_counted():
    made = reserve({}, {}, [asker(str(n)) for n in range(9)], ())
    assert len(made.holds) == 9
    assert not made.refusals


def test_what_is_there_counts_above_the_limit_and_nothing_more_begins():
    there = [asker(name, has={"instances": 1, "vcpus": 2}, vcpus=2) for name in "abcd"]
    made = served(*there, asker("e"))
    assert set(made.holds) == set("abcd")
    assert made.refusals == {"e": "4 of 3 instances used, 1 asked; 8 of 4 vcpus used, 1 asked"}


def test_only_what_is_proved_gone_goes_back():
    full = {name: Hold({"instances": 1, "vcpus": 1}) for name in "abc"}
    assert set(served(asker("d"), holds=full).holds) == set("abc")
    assert set(served(asker("d"), holds=full, gone=("b",)).holds) == set("acd")


def test_a_stopped_one_gives_back_only_what_was_reserved_before_its_mark():
    held = {"a": Hold({"instances": 1, "vcpus": 4}, token=1)}
    stopped = asker("a", wants={"instances": 1}, lets_go=True, token=1)
    assert served(stopped, asker("b"), holds=held).refusals, "somebody may start it by this reservation"
    made = served(replace(stopped, token=2), asker("b"), holds=held)
    assert made.holds["a"] == Hold({"instances": 1}, token=1)
    assert "b" in made.holds


def test_a_start_needs_a_reservation_after_the_mark():
    held = {"a": Hold({"instances": 1, "vcpus": 1}, token=0)}
    starts = asker("a", starts=True, token=1)
    assert served(starts, holds=held).holds["a"].token == 1


def test_growing_needs_room_for_the_difference():
    held = {"a": Hold({"instances": 1, "vcpus": 1})}
    assert served(asker("a", vcpus=4), holds=held).holds["a"].amounts["vcpus"] == 4
    made = served(asker("a", vcpus=4), asker("b", has={"instances": 1, "vcpus": 1}), holds=held)
    assert made.refusals == {"a": "2 of 4 vcpus used, 3 asked"}
    assert made.holds["a"] == held["a"], "it keeps what it has"


def test_more_objects_than_one_quota_can_hold_wait():
    held = {str(n): Hold({"ports": 1}) for n in range(MOST_HOLDERS)}
    assert "20000 objects" in served(asker("a"), holds=held).refusals["a"]


@pytest.mark.parametrize("limit", [0, 1])
def test_nothing_is_allowed_where_the_limit_is_zero(limit: int):
    made = reserve({"instances": limit}, {}, [asker("a")], ())
    assert bool(made.refusals) is (limit == 0)
