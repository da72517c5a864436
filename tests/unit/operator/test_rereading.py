"""What an uncached read says is gone is what was known before it, never who came while it was under way."""

import pytest

from orlop_operator import errors
from orlop_operator.garbage import Garbage
from orlop_operator.kinds import INSTANCE
from orlop_operator.reconcile.effects import Bind, Inform
from orlop_operator.reconcile.execute import Executor, Learned
from orlop_operator.store import Store


def web(uid, version):
    meta = {"namespace": "shop", "name": "web", "uid": uid, "resourceVersion": str(version)}
    return INSTANCE.parse(
        {"metadata": meta, "spec": {"flavorName": "small", "boot": {"imageRef": {"name": "tiny"}}}}
    )


class Gone:
    """An API server that answers 404, after which the watch is heard before the answer is."""

    def __init__(self, heard):
        self.heard = heard

    async def get(self, _kind, namespace, name):
        self.heard()
        raise errors.NotFoundError(f"{namespace}/{name}")


async def by_garbage(cluster, store):
    assert await Garbage(cluster, store).read(INSTANCE, "shop", "web") is None


async def by_inform(cluster, store):
    await Executor(cluster, store, None, None).carry_out([Inform(INSTANCE, "shop", "web")], Learned())


async def by_bind(cluster, store):
    await Executor(cluster, store, None, None).carry_out([Bind("shop", "web", None, {})], Learned())


readers = pytest.mark.parametrize("read", [by_garbage, by_inform, by_bind])


@readers
async def test_what_was_known_is_gone(read):
    store = Store()
    store.observe(INSTANCE, web("a", 1))
    await read(Gone(lambda: None), store)
    assert store.get(INSTANCE, "shop", "web") is None
    assert store.is_dead("a")


@readers
async def test_who_has_the_name_since_then_stays(read):
    store = Store()
    store.observe(INSTANCE, web("a", 1))
    await read(Gone(lambda: store.observe(INSTANCE, web("b", 2))), store)
    assert store.get(INSTANCE, "shop", "web").metadata.uid == "b"
    assert store.is_dead("a")
    assert store.observe(INSTANCE, web("b", 3)), "and its events are news"


@readers
async def test_who_came_where_nobody_was_known_stays(read):
    store = Store()
    await read(Gone(lambda: store.observe(INSTANCE, web("b", 2))), store)
    assert store.by_uid("b") is not None
    assert not store.is_dead("b")
