"""The same decisions as the plain scheduler; `make scale` compares a thousand clouds."""

from hypothesis import HealthCheck, given, settings

from support.plainly import WORLDS, compare

test_the_same_decisions_as_plainly_told = settings(
    max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)(given(**WORLDS)(compare))
