"""Three simulated nodes on a real API server with one operator; the agents are the real ones."""

from collections.abc import AsyncIterator, Iterator

import pytest

from support.fleet import Fleet, fleet
from support.scripted import Api, api

VCPUS = 8


@pytest.fixture(scope="package")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("fleet"), 3, f"--vcpus={VCPUS}") as made:
        yield made


@pytest.fixture
async def user(three: Fleet) -> AsyncIterator[Api]:
    """The administrator as a user."""
    async with api(three.server) as client:
        yield client
