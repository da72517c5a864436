"""Which nodes are told to have an Image early, and what the Image says of them."""

import pytest

from orlop_api.assigned_image import AssignedImage
from orlop_api.hypervisor import Hypervisor
from orlop_api.image import Image
from orlop_api.peer import ImagePeer
from orlop_operator.reconcile.effects import Patch
from orlop_operator.reconcile.prepull import FIRST, GROWTH, LONGEST, Nodes, plan_prepull

DIGEST, OLD = "sha256:" + "a" * 64, "sha256:" + "b" * 64
PINNED = AssignedImage.model_validate(
    {
        "source": {"http": {"url": "https://images.example/a"}},
        "digest": DIGEST,
        "format": "raw",
        "virtualSizeBytes": 1,
    }
)


def image(**pre_pull: object) -> Image:
    spec = {"source": {"http": {"url": "https://images.example/a"}}}
    if pre_pull.get("selector") is not None:
        spec["prePull"] = {"nodeSelector": pre_pull["selector"]}
    return Image.model_validate({"metadata": {"name": "a", "uid": "u"}, "spec": spec})


def host(name: str, ordered: str = "", state: str = "", ready: str = "True", **more: object) -> Hypervisor:
    orders = [order("u", ordered)] if ordered else []
    reports = [
        {"imageUID": "u", "digest": ordered, "state": state, "reason": more.get("reason", ""), "message": "m"}
    ]
    return Hypervisor.model_validate(
        {
            "metadata": {"name": name},
            "spec": {
                "prePulls": orders
                + [order(f"other-{n}", OLD) for n in range(int(str(more.get("others", 0))))]
            },
            "status": {
                "prePulls": reports if state else [],
                "conditions": [{"type": "Ready", "status": ready, "reason": "R"}],
            },
        }
    )


def order(uid: str, digest: str) -> dict:
    return {"imageUID": uid, "image": PINNED.model_copy(update={"digest": digest}).wire()}


def plan(wish: Image, *hosts: Hypervisor, labels: dict | None = None):
    peer = ImagePeer(node_name="p", address="192.0.2.1", port=1)
    nodes = Nodes(hosts, labels or {h.metadata.name: {"disk": "fast"} for h in hosts}, lambda *_: (peer,))
    found = plan_prepull(wish, PINNED, nodes)
    writes = {}
    for effect in found.effects:
        assert isinstance(effect, Patch)
        writes[effect.seen.metadata.name] = [
            (one["imageUID"], one["image"]["digest"]) for one in effect.change["spec"]["prePulls"]
        ]
    said = found.status
    return writes, (said.selected, said.present, said.message) if said is not None else None


EVERYWHERE = image(selector={})


def test_without_a_wish_nothing_is_said() -> None:
    assert plan(image(), host("n1")) == ({}, None)


def test_a_wish_that_is_gone_takes_its_orders_along_and_leaves_others() -> None:
    assert plan(image(), host("n1", DIGEST, "Ready", others=1)) == ({"n1": [("other-0", OLD)]}, None)


def test_nodes_with_the_labels_are_told() -> None:
    labels = {"n1": {"disk": "fast"}, "n2": {"disk": "slow"}, "n3": {}}
    wish = image(selector={"disk": "fast"})
    hosts = [host("n1"), host("n2", DIGEST, "Ready"), host("n3"), host("n4")]
    writes, said = plan(wish, *hosts, labels=labels)
    assert writes == {"n2": [], "n1": [("u", DIGEST)]}
    assert said == (1, 0, "they fetch it")


def test_all_have_it() -> None:
    assert plan(EVERYWHERE, host("n1", DIGEST, "Ready")) == ({}, (1, 1, ""))


def test_another_digest_is_ordered_anew() -> None:
    assert plan(EVERYWHERE, host("n1", OLD, "Ready")) == ({"n1": [("u", DIGEST)]}, (1, 0, "they fetch it"))


def test_as_many_at_once_as_there_are_to_give() -> None:
    idle = [host(f"n{n:03}") for n in range(100)]
    assert len(plan(EVERYWHERE, *idle)[0]) == FIRST
    some = [host(f"h{n}", DIGEST, "Ready") for n in range(3)]
    pulling = [host("p", DIGEST, "Pulling"), host("q", DIGEST)]
    assert len(plan(EVERYWHERE, *some, *pulling, *idle)[0]) == FIRST + 3 * GROWTH - 2


def test_the_lost_and_the_failing_keep_nobody_waiting() -> None:
    stuck = [host(f"s{n}", DIGEST, "Pulling", ready="Unknown") for n in range(5)]
    failing = [host(f"f{n}", DIGEST, "Failed", reason="DiskFull") for n in range(5)]
    writes, said = plan(EVERYWHERE, *stuck, *failing, host("n1"))
    assert writes == {"n1": [("u", DIGEST)]}
    assert said == (11, 0, "f0: DiskFull: m; tried again")


@pytest.mark.parametrize(
    ("which", "message"),
    [
        (host("n1", others=LONGEST), f"n1 has {LONGEST} pre-pulls already"),
        (host("n1", ready="Unknown"), "n1 is not Ready"),
    ],
)
def test_a_node_that_cannot_be_told_is_named(which: Hypervisor, message: str) -> None:
    assert plan(EVERYWHERE, which) == ({}, (1, 0, message))


def test_nobody_is_selected() -> None:
    said = "no hypervisor has the labels of spec.prePull.nodeSelector"
    assert plan(image(selector={"disk": "none"}), host("n1")) == ({}, (0, 0, said))


def test_it_settles() -> None:
    hosts = [host(f"n{n}") for n in range(9)]
    for _ in range(20):
        writes, said = plan(EVERYWHERE, *hosts)
        if not writes and said == (9, 9, ""):
            break
        hosts = [host(h.metadata.name, DIGEST, "Ready") if h.metadata.name in writes else h for h in hosts]
    assert said == (9, 9, "")
