"""What the store takes for news."""

from orlop_operator.kinds import FLAVOR
from orlop_operator.store import Store

SPEC = {"vcpus": 1, "memory": "1Gi", "rootDisk": "1Gi"}


def body(version: int, uid: str = "one"):
    return {"metadata": {"name": "small", "uid": uid, "resourceVersion": str(version)}, "spec": SPEC}


def test_an_event_is_known_by_its_version_before_it_is_parsed():
    store = Store()
    assert not store.is_known(FLAVOR, body(5))
    store.observe(FLAVOR, FLAVOR.parse(body(5)))
    assert store.is_known(FLAVOR, body(4))
    assert store.is_known(FLAVOR, body(5))
    assert not store.is_known(FLAVOR, body(6))
    assert not store.is_known(FLAVOR, body(4, uid="another")), "versions tell only of one object"
