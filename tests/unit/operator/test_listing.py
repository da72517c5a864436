"""An object that the models do not take is logged; everything else goes on."""

import msgspec
import pytest
from structlog.testing import capture_logs

from orlop_operator.kinds import FLAVOR
from orlop_operator.listing import take_over
from orlop_operator.replica import Replica
from orlop_operator.settings import Settings
from orlop_operator.store import Store

SPEC = {"vcpus": 1, "memory": "1Gi", "rootDisk": "1Gi"}
UNREADABLE = {"vcpus": "all of them"}


def flavor(name, version, spec=None):
    meta = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": meta, "spec": SPEC if spec is None else spec}


class Listed:
    """An API server with these pages of Flavors."""

    writes = 0

    def __init__(self, *pages):
        self._pages = pages

    async def pages(self, kind):
        assert kind is FLAVOR
        for page in self._pages:
            yield [msgspec.Raw(msgspec.json.encode(body)) for body in page], 9


async def test_a_list_with_one_is_taken_over_but_for_that_one():
    store = Store()
    for body in (flavor("known", 1), flavor("gone", 2)):
        store.observe(FLAVOR, FLAVOR.parse(body))
    page = [flavor("known", 5, UNREADABLE), flavor("new", 6, UNREADABLE), flavor("after", 7)]
    with capture_logs() as lines:
        assert await take_over(Listed(page), store, FLAVOR) == 9
    assert [(line["event"], line["name"]) for line in lines] == [
        ("not understood", "known"),
        ("not understood", "new"),
    ]
    assert {each.metadata.name: each.metadata.resource_version for each in store.all(FLAVOR)} == {
        "known": "1",
        "after": "7",
    }


@pytest.fixture
async def replica():
    return Replica(Settings(webhook="Disabled"), Listed())


async def test_the_deletion_of_one_is_heard(replica):
    replica.take(FLAVOR, "ADDED", flavor("small", 1))
    with capture_logs() as lines:
        replica.take(FLAVOR, "MODIFIED", flavor("small", 2, UNREADABLE))
    assert [line["event"] for line in lines] == ["not understood"]
    assert replica._store.get(FLAVOR, "", "small").metadata.resource_version == "1"
    replica.take(FLAVOR, "DELETED", flavor("small", 3, UNREADABLE))
    assert replica._store.get(FLAVOR, "", "small") is None
