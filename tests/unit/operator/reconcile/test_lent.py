"""An Instance uses an Image's login by the right of whoever made the Image, as long as they have it."""

from dataclasses import replace
from datetime import UTC, datetime

from orlop_api.assignment import Assignment
from orlop_api.hypervisor import node_namespace
from orlop_api.image import Image
from orlop_api.instance import Instance
from orlop_api.requester import Requester
from orlop_operator.reconcile.effects import Ask, CopySecret
from orlop_operator.reconcile.instance.assign import added_secret, node_secret, secret_parts
from orlop_operator.reconcile.instance.facts import Blocker, Facts
from orlop_operator.reconcile.instance.image import resolve
from orlop_operator.reconcile.rights import of_image

LOGIN = ["image-username", "image-password", "image-token"]
IMAGE = Image.model_validate(
    {
        "metadata": {
            "name": "a", "namespace": "golden", "uid": "u", "annotations": Requester("erin").annotations()
        },
        "spec": {
            "source": {"http": {"url": "https://images.example/a", "credentialsSecretRef": {"name": "login"}}}
        },
        "status": {
            "digest": "sha256:" + "a" * 64,
            "format": "raw",
            "virtualSizeBytes": 1,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Imported"}],
        },
    }
)  # fmt: skip
INSTANCE = Instance.model_validate(
    {
        "metadata": {"name": "web", "namespace": "demo", "uid": "i"},
        "spec": {
            "flavorName": "small",
            "boot": {"imageRef": {"name": "a", "namespace": "golden"}},
            "userData": {"inline": "#cloud-config"},
        },
    }
)
FACTS = Facts(INSTANCE, datetime(2026, 5, 1, tzinfo=UTC), image=IMAGE)
[QUESTION] = of_image(IMAGE)


def known(said: bool, **more: object) -> Facts:
    return replace(FACTS, answers={QUESTION: said}, **more)


def bound(*keys: str) -> Assignment:
    """An order whose Secret has these keys."""
    secret = {"namespace": node_namespace("n1"), "name": "i", "keys": list(keys)}
    spec = {
        "instance": {"namespace": "demo", "name": "web", "uid": "i"},
        "vcpus": 1, "memoryBytes": 1, "rootDiskBytes": 1, "nodeName": "n1", "secret": secret,
    }  # fmt: skip
    return Assignment.model_validate({"metadata": {"name": "i"}, "spec": spec})


def keys(facts: Facts) -> list[str]:
    return [part.key for part in secret_parts(facts)]


def test_the_login_goes_to_the_node_by_its_makers_right() -> None:
    assert QUESTION.requester.username == "erin"
    assert keys(known(True)) == [*LOGIN, "user-data"]


def test_without_the_right_the_node_gets_the_rest() -> None:
    assert keys(known(False)) == ["user-data"]
    copy = node_secret(known(False), "n1")
    assert copy is not None
    assert [part.key for part in copy.parts] == ["user-data"]


def test_a_disk_that_a_node_has_is_used_still() -> None:
    assert not isinstance(resolve(known(False)), Blocker)
    lost = resolve(known(False, cached=lambda _: False))
    assert lost == Blocker(
        "Forbidden",
        "erin may not get secrets golden/login, and made Image golden/a: no node is given that any more,"
        " and none that is Ready has it already",
    )
    assert not isinstance(resolve(known(True, cached=lambda _: False)), Blocker)


def test_a_bound_order_asks_only_when_something_is_added() -> None:
    assert added_secret(FACTS, bound(*LOGIN, "user-data")) is None, "no question in every look"
    assert added_secret(FACTS, bound("user-data")) == Ask(QUESTION)
    assert isinstance(added_secret(known(True), bound("user-data")), CopySecret)
    assert added_secret(known(False), bound("user-data")) is None
