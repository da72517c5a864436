"""Node selector terms, by core/v1's rules: one host at a time, and all hosts at once."""

import pytest

from orlop_operator.scheduling import Host, Requirement, Term, World
from orlop_operator.scheduling.matching import matches, where

LABELS = {"disk": "ssd", "size": "12", "low": "-3", "word": "many", "empty": ""}


@pytest.mark.parametrize(
    ("key", "operator", "values", "holds"),
    [
        ("disk", "In", ("hdd", "ssd"), True),
        ("disk", "In", ("hdd",), False),
        ("none", "In", ("ssd",), False),
        ("empty", "In", ("",), True),
        ("disk", "NotIn", ("hdd",), True),
        ("disk", "NotIn", ("ssd",), False),
        ("none", "NotIn", ("ssd",), True),
        ("empty", "Exists", (), True),
        ("none", "Exists", (), False),
        ("none", "DoesNotExist", (), True),
        ("disk", "DoesNotExist", (), False),
        ("size", "Gt", ("9",), True),
        ("size", "Gt", ("12",), False),
        ("low", "Lt", ("-2",), True),
        ("low", "Lt", ("-3",), False),
        ("word", "Gt", ("1",), False),
        ("none", "Lt", ("1",), False),
        ("size", "Gt", ("x",), False),
    ],
)
def test_an_expression(key, operator, values, holds):
    term, host = Term((Requirement(key, operator, values),)), Host("a", labels=LABELS)
    assert matches(term, host) == holds
    assert where(term, World([host, Host("b")]))[0] == holds


def test_a_term_is_all_of_it_and_none_is_nowhere():
    one = Term((Requirement("disk", "Exists"),), (Requirement("metadata.name", "In", ("a",)),))
    hosts = [Host("a", labels=LABELS), Host("b", labels=LABELS), Host("c")]
    assert [matches(one, host) for host in hosts] == where(one, World(hosts)).tolist() == [True, False, False]
    assert [matches(Term(), host) for host in hosts] == where(Term(), World(hosts)).tolist() == [False] * 3
