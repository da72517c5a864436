"""Ten simulated nodes on a real API server with one operator: small forms of what `make scale` measures."""

from collections.abc import AsyncIterator, Iterator

import pytest

from support.fleet import Fleet, fleet
from support.scripted import Api, api

VCPUS = 8


@pytest.fixture(scope="package")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet(tmp_path_factory.mktemp("fleet"), 10, f"--vcpus={VCPUS}") as made:
        yield made


@pytest.fixture
async def user(ten: Fleet) -> AsyncIterator[Api]:
    """The administrator as a user."""
    async with api(ten.server) as client:
        yield client
