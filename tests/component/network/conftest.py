"""Two nodes on one wire, and a stand-in for a guest that speaks for itself."""

import os
from collections.abc import Iterator

import pytest

from support.fakenode import FakeNode, nodes


@pytest.fixture
def lab() -> Iterator[tuple[FakeNode, FakeNode, FakeNode]]:
    """Two nodes, 192.0.2.1 and 192.0.2.2, and the outside, 192.0.2.254. All of it ends with the test."""
    if os.geteuid() != 0:
        pytest.skip("makes network namespaces")
    with nodes("192.0.2.1", "192.0.2.2") as (first, second, outside):
        yield first, second, outside
