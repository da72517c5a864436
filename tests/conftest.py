"""Fixtures that more than one kind of test uses."""

import os

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from support import children, guardian

pytest_plugins = ["support.lab", "support.tables"]

# How long one example takes says how busy the machine is, and nothing of the code: measuring is the benches' part.
settings.register_profile("orlop", deadline=None)
settings.load_profile("orlop")


def pytest_sessionstart(session):
    """A run that is killed leaves nothing either."""
    if not session.config.option.collectonly:
        guardian.start()
        children.watch()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item):
    result = yield
    assert children.left() == [], "the test left programs running"
    return result


def pytest_collection_modifyitems(config, items):
    """The quick tests first, or in two processes what waits most; what restarts nodes of the cluster last."""
    order = ("e2e", "component", "unit") if hasattr(config, "workerinput") else ("unit", "component", "e2e")
    items.sort(
        key=lambda item: (order.index(kind(item.nodeid)), item.get_closest_marker("disruptive") is not None)
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Two processes share the tests so that what waits for a cluster waits beside what computes.

    All component tests are one's, which look at the whole machine and its daemons. That one makes a second cluster
    when it has done with them and with the unit tests, and helps the first with what needs one.
    """
    config.option.loadscopereorder = False
    return ByKind(config, log)


class ByKind(LoadScopeScheduling):
    """Hands out component and unit tests as a whole, and of those that need a cluster one file at a time."""

    def _split_scope(self, nodeid):
        found = kind(nodeid)
        return (
            nodeid.partition("::")[0] if found == "e2e" and "ORLOP_TEST_CLUSTER" not in os.environ else found
        )

    def _assign_work_unit(self, node):
        if node is not self.nodes[0]:
            first = next((scope for scope in self.workqueue if scope in {"component", "unit"}), None)
            if first is not None:
                self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)


def kind(nodeid):
    """What a test needs most: nothing (unit), real programs (component), the real cluster (e2e)."""
    directory = nodeid.removeprefix("tests/").partition("/")[0]
    return {"bench": "e2e", "scale": "component"}.get(directory, directory)
