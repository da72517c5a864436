"""What the store takes for news."""

from orlop_operator.kinds import FLAVOR
from orlop_operator.store import Store

SPEC = {"vcpus": 1, "memory": "1Gi", "rootDisk": "1Gi"}


def body(version: int, uid: str = "one"):
    return {"metadata": {"name": "small", "uid": uid, "resourceVersion": str(version)}, "spec": SPEC}


def known(store, body):
    meta = body["metadata"]
    return store.is_known(FLAVOR, "", meta["name"], meta["uid"], int(meta["resourceVersion"]))


def test_an_event_is_known_by_its_version_before_it_is_parsed():
    store = Store()
    assert not known(store, body(5))
    store.observe(FLAVOR, FLAVOR.parse(body(5)))
    assert known(store, body(4))
    assert known(store, body(5))
    assert not known(store, body(6))
    assert not known(store, body(4, uid="another")), "versions tell only of one object"
