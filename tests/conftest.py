"""Fixtures that more than one kind of test uses."""

import pytest
from hypothesis import settings

from support import guardian

pytest_plugins = ["support.lab", "support.tables"]

# How long one example takes says how busy the machine is, and nothing of the code: measuring is the benches' part.
settings.register_profile("orlop", deadline=None)
settings.load_profile("orlop")


def pytest_sessionstart(session):
    """A run that is killed leaves nothing either."""
    if not session.config.option.collectonly:
        guardian.start()


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(config, items):
    """The quick tests first; what restarts nodes of the shared cluster last.

    Two processes share them so that what waits for a cluster waits beside what computes: all that needs the cluster
    is one's, and begins at once; all component tests are the other's, which look at the whole machine and its daemons.
    """
    shared = hasattr(config, "workerinput")
    kinds = ("/e2e/", "/component/", "/unit/") if shared else ("/unit/", "/component/", "/bench/", "/e2e/")

    def kind(item):
        path = str(item.path).replace("/bench/", "/e2e/") if shared else str(item.path)
        return next((n for n, part in enumerate(kinds) if part in path), len(kinds) - 1)

    items.sort(key=lambda item: (kind(item), item.get_closest_marker("disruptive") is not None))
    if shared:
        for item in items:
            item.add_marker(pytest.mark.xdist_group(kinds[kind(item)].strip("/")))
