"""Fixtures that more than one kind of test uses."""

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


def pytest_collection_modifyitems(items):
    """The quick tests first; what restarts nodes of the shared cluster last."""

    def rank(item):
        path = str(item.path)
        kinds = ("/unit/", "/component/", "/bench/", "/e2e/")
        kind = next((n for n, part in enumerate(kinds) if part in path), len(kinds))
        return kind, item.get_closest_marker("disruptive") is not None

    items.sort(key=rank)
