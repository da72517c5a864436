"""What the operator makes of the ConfigMap with profiles, version by version."""

import pytest

from orlop_operator.health import Vitals, exposition
from orlop_operator.profile_watch import ProfileWatch
from orlop_operator.reviews import Reviews

GOOD, WRONG = "profiles: [{name: pack}]", "profiles: [{name: Pack It}]"


class Seen:
    """A watch without a cluster, and what it did."""

    def __init__(self):
        self.used, self.said = [], []
        self.watch = ProfileWatch(
            None,
            "orlop-system",
            use=lambda found: self.used.append(sorted(found.by_name)),
            announce=self.said.append,
        )
        self._version = 0

    def take(self, text, **data):
        self._version += 1
        given = {"profiles.yaml": text} if text is not None else data
        metadata = {"name": "orlop-scheduler", "uid": "u", "resourceVersion": str(self._version)}
        body = {"metadata": metadata, "data": given}
        self.watch.take(body)
        self.watch.take(body)  # a list after a watch says it again


def test_a_wrong_one_keeps_the_last_good_one():
    seen = Seen()
    seen.take(GOOD)
    seen.take(WRONG)
    assert seen.used == [["default", "pack"]]
    assert [(each.type, each.reason) for each in seen.said] == [
        ("Normal", "ProfilesInForce"),
        ("Warning", "ProfilesRefused"),
    ]
    assert seen.said[1].message.startswith("profiles.yaml is not used: profiles[0].name: string should match")
    assert seen.said[1].message.endswith("; the last good one stays in force")


@pytest.mark.parametrize(
    "text",
    ["default: 2026-13-45", "default: 0x_", "default: !!timestamp foo", "default: !!float foo", "[" * 3000],
)
def test_what_yaml_itself_stumbles_over_is_wrong_like_any_other(text):
    seen = Seen()
    seen.take(GOOD)
    seen.take(text)
    assert seen.used == [["default", "pack"]]
    assert (seen.watch.refused, seen.said[-1].reason) == (True, "ProfilesRefused")


def test_whether_one_is_refused_now_is_told_until_it_is_mended_or_gone():
    seen = Seen()
    told = []
    for text in (GOOD, WRONG, GOOD, WRONG):
        seen.take(text)
        told.append(seen.watch.refused)
    seen.watch.take(None)
    assert [*told, seen.watch.refused] == [False, True, False, True, False]
    vitals = Vitals(True, True, 0, 0, 0, 0, 0, Reviews(lambda: 0.0), profiles_refused=True)
    assert "\norlop_scheduler_profiles_refused 1.0\n" in exposition(vitals).decode()


def test_a_wrong_one_at_first_leaves_the_built_in():
    seen = Seen()
    seen.watch.take(None)
    seen.take(None, other="a")
    assert seen.used == []
    [said] = seen.said
    assert said.message == (
        "profiles.yaml is not used: it has no key profiles.yaml; the built-in profile is used until then"
    )


def test_one_that_goes_gives_way_to_the_built_in():
    seen = Seen()
    seen.take(GOOD)
    seen.watch.take(None)
    seen.watch.take(None)
    assert seen.used == [["default", "pack"], ["default"]]
    seen.take(WRONG)
    assert seen.said[-1].message.endswith("; the built-in profile is used until then")
