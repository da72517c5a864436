"""What is asked of one namespace costs what that has: the store keeps it apart, never out of step."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orlop_api.hypervisor import Hypervisor
from orlop_api.image import Image
from orlop_api.volume import Volume
from orlop_operator.kinds import HYPERVISOR, IMAGE, VOLUME, Kind
from orlop_operator.reconcile.gather import Existing
from orlop_operator.store import Change, Key, Store
from orlop_operator.wakes import wakes

NAMES, SPACES = st.sampled_from("abc"), st.sampled_from(["one", "two"])
STEPS = st.lists(st.tuples(st.sampled_from(["see", "see", "lose", "list"]), SPACES, NAMES, st.integers(1, 3)))


def volume(namespace: str, name: str, uid: str, version: int) -> Volume:
    meta = {"namespace": namespace, "name": name, "uid": uid, "resourceVersion": str(version)}
    return Volume.model_validate({"metadata": meta, "spec": {"size": "1Gi", "className": "c"}})


@given(STEPS)
def test_each_namespace_has_what_is_found_by_looking_at_all(steps: list[tuple[str, str, str, int]]):
    store = Store()
    for at, (what, namespace, name, number) in enumerate(steps, 1):
        uid = f"{namespace}-{name}-{number}"
        match what:
            case "see":
                store.observe(VOLUME, volume(namespace, name, uid, at))
            case "lose":
                store.remove(VOLUME, namespace, name, uid)
            case _:
                store.reset(VOLUME, [volume(namespace, name, uid, at)], at)
    for namespace in ("one", "two", "none"):
        looked = [each for each in store.all(VOLUME) if each.metadata.namespace == namespace]
        assert sorted(each.metadata.uid for each in store.within(VOLUME, namespace)) == sorted(
            each.metadata.uid for each in looked
        )
    known = Existing(store, frozenset({VOLUME.name}))
    uids = {each.metadata.uid for each in store.all(VOLUME)}
    asked = {f"{space}-{name}-{number}" for space in ("one", "two") for name in "abc" for number in (1, 2, 3)}
    assert {uid for uid in asked if uid in known} == uids
    assert "one-a-1" not in Existing(store, frozenset({IMAGE.name}))


def see(store: Store, kind: Kind[Any], body: dict[str, Any]) -> Any:
    thing = kind.parse(body)
    store.observe(kind, thing)
    return thing


def test_only_nodes_with_orders_for_what_is_gone_are_looked_at():
    store = Store()
    source = {"http": {"url": "https://mirror.example.org/disk.raw"}}
    meta = {"namespace": "demo", "name": "tiny", "uid": "image", "resourceVersion": "1"}
    image: Image = see(store, IMAGE, {"metadata": meta, "spec": {"source": source}})
    ordered = {"imports": [{"imageUID": "image", "source": source}]}
    for number, spec in enumerate(({}, ordered, {}), 1):
        host = {"name": f"node-{number}", "uid": f"n{number}", "resourceVersion": "2"}
        made: Hypervisor = see(store, HYPERVISOR, {"metadata": host, "spec": spec})
        assert made.metadata.name == f"node-{number}"
    woken = set(wakes(Change(IMAGE.name, image, None), store))
    assert [key for key in sorted(woken) if key.kind == HYPERVISOR.name] == [Key("Hypervisor", "", "node-2")]
