"""Every test leaves the shared cluster as it found it, also one that fails."""

import pytest

from support.lab import NAMESPACE


@pytest.fixture(autouse=True)
def no_instance_left(cluster):
    yield
    cluster.kubectl("delete", "inst", "--all", "--namespace", NAMESPACE, "--timeout=180s")
