"""Fixtures that more than one kind of test uses."""

from support import guardian

pytest_plugins = ["support.lab", "support.tables"]


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
