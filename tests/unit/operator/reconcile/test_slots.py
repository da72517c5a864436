"""Imports of one namespace never take all places, and who waits is called in turn."""

import random
from types import SimpleNamespace

import pytest

from orlop_api.condition import Condition
from orlop_api.hypervisor import Hypervisor
from orlop_operator.kinds import HYPERVISOR
from orlop_operator.reconcile.slots import LONGEST, slot
from orlop_operator.store import Change, Key
from orlop_operator.waiting import Waiting


def host(name: str, orders: int, ready: str = "True") -> Hypervisor:
    source = {"http": {"url": "https://images.example/a"}}
    imports = [{"imageUID": f"{name}-{n}", "source": source} for n in range(orders)]
    conditions = [{"type": "Ready", "status": ready, "reason": "R"}]
    return Hypervisor.model_validate(
        {"metadata": {"name": name}, "spec": {"imports": imports}, "status": {"conditions": conditions}}
    )


def fill(wants: dict[str, int], hosts: int = 2) -> dict[str, int]:
    """What each namespace has in the end, when all want at once and nothing ends."""
    chance, orders, held = random.Random(1), dict.fromkeys(range(hosts), 0), dict.fromkeys(wants, 0)
    for _ in range(hosts * LONGEST * len(wants) * 4):
        namespace = chance.choice(list(wants))
        found = slot([host(str(n), count) for n, count in orders.items()], namespace, held[namespace])
        if isinstance(found, Hypervisor) and held[namespace] < wants[namespace]:
            orders[int(found.metadata.name)] += 1
            held[namespace] += 1
    return held


def test_one_alone_leaves_half_for_others() -> None:
    assert fill({"greedy": 1000}) == {"greedy": LONGEST}
    assert fill({"modest": 3}) == {"modest": 3}


def test_who_comes_later_gets_a_place_at_once_and_as_much_as_the_first() -> None:
    held = fill({"a": 1000, "b": 1000})
    assert all(count >= 2 * LONGEST // 3 - 1 for count in held.values())
    assert isinstance(slot([host("n1", LONGEST - 1)], "new", 0), Hypervisor), (
        "the last one is for who has none"
    )
    assert isinstance(slot([host("n1", LONGEST - 1)], "a", 1), Condition)


def test_who_waits_is_told_for_what() -> None:
    found = slot([host("n1", 40), host("n2", 64, ready="Unknown")], "demo", 30)
    assert isinstance(found, Condition)
    assert found.reason == "ImportsFull"
    assert found.message == (
        "namespace demo has 30 imports under way, and none may have more than the 24 that are free for all;"
        " it waits for one of them to end"
    )


@pytest.mark.parametrize(("hosts", "reason"), [([], "NoHypervisor"), ([host("n1", LONGEST)], "ImportsFull")])
def test_without_a_node_that_takes_it_nothing_is_ordered(hosts: list[Hypervisor], reason: str) -> None:
    found = slot(hosts, "demo", 0)
    assert isinstance(found, Condition)
    assert found.reason == reason


def key(namespace: str, name: str) -> Key:
    return Key("Image", namespace, name)


def test_the_first_of_each_namespace_is_called_when_an_import_ends() -> None:
    waiting = Waiting(lambda: 0.0)
    for name in ("a1", "a2", "a3"):
        waiting.stand(key("a", name))
    waiting.stand(key("b", "b1"))
    waiting.stand(key("a", "a1"))
    ended = Change(HYPERVISOR.name, host("n1", 2), host("n1", 1))
    assert waiting.called(ended) == [key("a", "a1"), key("b", "b1")]
    assert waiting.called(Change(HYPERVISOR.name, host("n1", 1), host("n1", 2))) == []
    assert waiting.called(Change(HYPERVISOR.name, host("n1", 2), None)) != [], (
        "a node that is gone fetches nothing"
    )
    assert waiting.leave(key("a", "a1")) == key("a", "a2"), "there may be room for that too"
    assert waiting.leave(key("a", "a3")) is None, "it was not its turn"
    assert waiting.leave(key("c", "c1")) is None
    assert waiting.called(ended) == [key("a", "a2"), key("b", "b1")]
    assert waiting.leave(key("b", "b1")) is None
    assert waiting.called(ended) == [key("a", "a2")]


def test_failures_are_forgotten_with_their_images() -> None:
    now = [0.0]
    waiting = Waiting(lambda: now[0])
    image = SimpleNamespace(metadata=SimpleNamespace(uid="u"), status=None)
    reports = [{"imageUID": "u", "generation": 3, "state": "Failed"}]
    failing = host("n1", 0).model_copy(
        update={"status": Hypervisor.model_validate({"status": {"imports": reports}}).status}
    )
    assert waiting.failed_for(image, [failing]) == {3: 0.0}
    now[0] = 7.0
    assert waiting.failed_for(image, []) == {3: 7.0}
    waiting.forget(set())
    assert waiting.failed_for(image, []) == {}
