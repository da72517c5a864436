"""Simulated nodes on a real API server with two operators: a thousand, or as many as ORLOP_SCALE_NODES says."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from support.fleet import Fleet, fleet
from support.scripted import Api, api

NODES = int(os.environ.get("ORLOP_SCALE_NODES", "1000"))
INSTANCES = int(os.environ.get("ORLOP_SCALE_INSTANCES", str(10 * NODES)))
VCPUS = 16


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    directory = tmp_path_factory.mktemp("fleet")
    with fleet(directory, NODES, f"--vcpus={VCPUS}", operators=("one", "two")) as made:
        yield made


@pytest.fixture
async def user(many: Fleet) -> AsyncIterator[Api]:
    """The administrator as a user."""
    async with api(many.server) as client:
        yield client
