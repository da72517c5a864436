"""Every test leaves the shared cluster as it found it, also one that fails."""

import pytest

from support.lab import NAMESPACE


@pytest.fixture(autouse=True)
def no_instance_left(cluster):
    yield
    for kind in ("inst", "oport"):  # a Port that was made first outlives its Instance
        cluster.kubectl("delete", kind, "--all", "--namespace", NAMESPACE, "--timeout=180s")
