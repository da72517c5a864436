import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop_api.instance import REQUESTED_BY, REQUESTED_BY_GROUPS, REQUESTED_BY_UID
from orlop_api.requester import Requester, encode_groups, from_annotations, from_user_info

GROUPS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=5)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(), GROUPS)
def test_what_is_recorded_is_read_back(username: str, uid: str, groups: list[str]) -> None:
    requester = from_user_info({"username": username, "uid": uid, "groups": groups})
    assert requester == Requester(username, uid, tuple(sorted(groups)))
    assert from_annotations(requester.annotations()) == requester


@given(GROUPS)
def test_the_encoding_is_one_for_all_orders(groups: list[str]) -> None:
    assert encode_groups(groups) == encode_groups(reversed(groups))
    assert json.loads(encode_groups(groups)) == sorted(groups)


def test_a_comma_is_no_boundary() -> None:
    assert encode_groups(["b", "a,c"]) == '["a,c","b"]'
    assert encode_groups(["a", "b,c"]) != encode_groups(["a,b", "c"])


def test_only_quotes_and_backslashes_are_escaped() -> None:
    assert encode_groups(['"', "\\", "ü"]) == '["\\"","\\\\","ü"]'


def test_absent_parts_of_a_user() -> None:
    assert from_user_info({"username": "x"}).annotations() == {
        REQUESTED_BY: "x",
        REQUESTED_BY_UID: "",
        REQUESTED_BY_GROUPS: "[]",
    }


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {REQUESTED_BY: ""},
        {REQUESTED_BY: "x"},
        {REQUESTED_BY: "x", REQUESTED_BY_GROUPS: "a,b"},
        {REQUESTED_BY: "x", REQUESTED_BY_GROUPS: '{"a": 1}'},
        {REQUESTED_BY: "x", REQUESTED_BY_GROUPS: "[1]"},
    ],
)
def test_what_cannot_be_read_is_nobody(annotations: dict[str, str]) -> None:
    assert from_annotations(annotations) is None
