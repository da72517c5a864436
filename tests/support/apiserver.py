"""A real API server for component tests (the fixture is known to all under tests/component)."""

from collections.abc import Iterator

import pytest

from orlop_cluster import gobuild
from orlop_cluster.apiserver import ApiServer, running

__all__ = ["ApiServer", "apiserver"]


@pytest.fixture(scope="package")
def apiserver() -> Iterator[ApiServer]:
    """etcd and kube-apiserver, no nodes and no controllers; one for all component tests, so use own namespaces."""
    gobuild.ensure()
    with running() as server:
        yield server
