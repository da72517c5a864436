"""The Assignment protocol as the API server enforces it, whoever is mistaken."""

import pytest

from support.manifests import Manifest
from support.orders import Order, done
from support.policies import OPERATOR, denial, node_account
from support.rest import Rest, User

pytestmark = pytest.mark.component

ONLY_OPERATOR = "Assignments are written by the operator only: delete or change the Instance instead"
NAMESPACE_CONTROLLER = User(
    "system:serviceaccount:kube-system:namespace-controller", ("system:serviceaccounts", "system:masters")
)


@pytest.fixture
def order(admin: Rest) -> Order:
    return Order(admin)


@pytest.fixture
def bound(order: Order) -> Order:
    """At epoch 1 on node-1, which has not answered."""
    done(order.create())
    done(order.bind("node-1"))
    return order


@pytest.fixture
def started(bound: Order) -> Order:
    done(bound.answer("node-1", "Preparing"))
    done(bound.start("node-1"))
    return bound


@pytest.fixture
def running(started: Order) -> Order:
    done(started.answer("node-1", "Running"))
    return started


# Who gives orders


@pytest.mark.parametrize("user", [None, NAMESPACE_CONTROLLER], ids=["administrator", "controller"])
def test_only_the_operator_gives_orders(order: Order, user: User | None) -> None:
    assert denial(order.create(user)) == ONLY_OPERATOR
    done(order.create())
    assert denial(order.order(user, desired="Purged")) == ONLY_OPERATOR
    assert denial(order.delete(user)) == ONLY_OPERATOR
    done(order.delete())


def test_a_namespace_cannot_be_emptied(bound: Order, admin: Rest) -> None:
    everything = "apis/orlop.dev/v1alpha1/namespaces/orlop-assignments/assignments"
    assert denial(admin.request("DELETE", everything)) == ONLY_OPERATOR
    assert admin.get(bound.manifest).status == 200


def test_created_unbound_in_its_place(order: Order) -> None:
    unbound = "an Assignment is created unbound, without spec.nodeName and at epoch 0"
    assert denial(order.create(**{"spec.epoch": 1})) == unbound
    bound = {"spec.nodeName": "node-1", "spec.poolID": "pool"}
    assert denial(order.create(**bound)) == unbound
    assert denial(order.create(**{"spec.instance.uid": "another"})) == (
        "an Assignment is named as its Instance's uid, in namespace orlop-assignments"
    )
    done(order.create())


def test_created_in_no_other_namespace(order: Order, admin: Rest) -> None:
    manifest: Manifest = order.manifest | {"metadata": {"name": order.uid, "namespace": "default"}}
    # Roles refuse the operator already; the policy refuses whoever has more of them.
    assert order.by(OPERATOR).create(manifest).status == 403
    assert denial(admin.create(manifest)) == ONLY_OPERATOR


# Rule 1: place


def test_a_bind_raises_the_epoch_by_one(order: Order) -> None:
    done(order.create())
    together = "spec.nodeName changes only together with spec.epoch + 1"
    assert denial(order.bind("node-1", epoch=0)) == together
    assert denial(order.bind("node-1", epoch=2)) == "spec.epoch may stay 0 or become 1, not 2"
    assert (
        denial(order.order(nodeName="node-1", epoch=1)) == "an Assignment with spec.nodeName has spec.poolID"
    )
    done(order.bind("node-1"))
    assert denial(order.order(epoch=0)) == "spec.epoch may stay 1 or become 2, not 0"
    assert denial(order.order(nodeName="node-2", epoch=1)) == together
    assert denial(order.order(nodeName=None, epoch=1)) == together


def test_an_order_stays_the_same_instances(bound: Order) -> None:
    assert denial(bound.order(instance={"name": "other"})) == "spec.instance is immutable"


# Rule 2: start


def test_an_order_never_follows_an_older_instance(bound: Order) -> None:
    """A Volume that the newer one does not list may be another's by now."""
    done(bound.order(instanceGeneration=3, volumes=[]))
    fell = "spec.instanceGeneration never falls: it is 3"
    assert denial(bound.order(instanceGeneration=2)) == fell
    assert denial(bound.order(instanceGeneration=None)) == fell
    done(bound.order(instanceGeneration=3))
    done(bound.order(instanceGeneration=4))


def test_a_start_names_boot_and_start(bound: Order) -> None:
    needs = "Starting needs status.bootID and status.startID"
    assert denial(bound.answer("node-1", "Starting")) == needs
    assert denial(bound.answer("node-1", "Starting", bootID="boot-1")) == needs
    done(bound.start("node-1"))


@pytest.mark.parametrize("desired", ["Stopped", "Released", "Purged"])
def test_a_start_needs_desired_running(bound: Order, desired: str) -> None:
    done(bound.order(desired=desired))
    assert denial(bound.start("node-1")) == f"Starting needs spec.desired Running, and it is {desired}"


def test_a_start_at_another_epoch_is_stale(bound: Order) -> None:
    for epoch in (0, 2):
        answer = bound.answer("node-1", "Starting", epoch, bootID="boot-1", startID="start-1")
        assert denial(answer) == f"stale answer: status.epoch is {epoch} and spec.epoch is 1"


def test_nobody_answers_what_is_unbound(order: Order, admin: Rest) -> None:
    done(order.create())
    answer = admin.patch(order.manifest, {"status": {"epoch": 0, "state": "Stopped"}}, "status")
    assert denial(answer) == "an Assignment without spec.nodeName is nobody's to answer"
    assert order.answer("node-1", "Stopped").status == 403


def test_running_comes_after_starting(bound: Order) -> None:
    needs = "Running needs a Starting before it at the same epoch"
    assert denial(bound.answer("node-1", "Running")) == needs
    done(bound.answer("node-1", "Preparing"))
    assert denial(bound.answer("node-1", "Running")) == needs
    done(bound.start("node-1"))
    done(bound.answer("node-1", "Running"))


def test_boot_and_start_change_only_with_a_start(running: Order) -> None:
    only = "status.bootID and status.startID change only with a new Starting, or a new epoch"
    assert denial(running.answer("node-1", "Running", startID="start-2")) == only
    assert denial(running.answer("node-1", "Stopped", bootID="boot-2")) == only
    assert denial(running.answer("node-1", "Stopped", bootID=None)) == only
    done(running.answer("node-1", "Stopped"))
    done(running.start("node-1", "boot-2", "start-2"))


def test_a_start_may_be_repeated_after_the_order_changed(started: Order) -> None:
    """Progress of a start that was granted is no new start."""
    done(started.order(desired="Stopped"))
    done(started.answer("node-1", "Starting", message="plugging the cables in"))
    assert denial(started.start("node-1", start="start-2")) == (
        "Starting needs spec.desired Running, and it is Stopped"
    )


def test_an_answer_stays(running: Order) -> None:
    client = running.by(node_account("node-1"))
    assert denial(client.patch(running.manifest, {"status": None}, "status")) == (
        "an answer cannot be withdrawn, only replaced by a later one"
    )


# Rule 3: final answers and moves


@pytest.mark.parametrize("final", ["Released", "Refused"])
@pytest.mark.parametrize("later", ["Preparing", "Stopped", "Failed"])
def test_final_is_final(bound: Order, final: str, later: str) -> None:
    done(bound.answer("node-1", final))
    done(bound.answer("node-1", final, message="for the record"))
    said = f"{final} is final for epoch 1: {later} needs a higher epoch"
    assert denial(bound.answer("node-1", later)) == said
    assert denial(bound.start("node-1")) == f"{final} is final for epoch 1: Starting needs a higher epoch"


def test_what_was_refused_may_be_released(bound: Order) -> None:
    """So that an Instance that nobody took can be deleted."""
    done(bound.answer("node-1", "Refused"))
    done(bound.order(desired="Purged"))
    done(bound.answer("node-1", "Released"))
    assert denial(bound.answer("node-1", "Refused")).startswith("Released is final")
    done(bound.delete())


@pytest.mark.parametrize("state", [None, "Preparing", "Starting", "Running", "Stopped", "Failed"])
def test_no_move_without_a_final_answer(bound: Order, state: str | None) -> None:
    if state == "Running":
        done(bound.start("node-1"))
    if state == "Starting":
        done(bound.start("node-1"))
    elif state:
        done(bound.answer("node-1", state))
    boot = ", boot-1" if state in ("Starting", "Running") else ""
    needs = (
        "a higher epoch needs node-1 to answer Released or Refused for epoch 1, or the annotation"
        f" orlop.dev/fenced-boot with the boot that is proved dead{boot}"
    )
    assert denial(bound.bind("node-2")) == needs
    # The same node again, and no node at all, are moves too.
    assert denial(bound.bind("node-1")) == needs
    assert denial(bound.order(nodeName=None, epoch=2)) == needs


@pytest.mark.parametrize("final", ["Released", "Refused"])
def test_a_move_after_a_final_answer(bound: Order, final: str) -> None:
    done(bound.answer("node-1", final))
    done(bound.bind("node-2"))
    assert denial(bound.answer("node-1", "Released")) == (
        f"node node-1 may write only what is its own, not assignments/status {bound.uid} of node node-2"
    )
    done(bound.start("node-2"))


def test_a_new_epoch_starts_blank(started: Order) -> None:
    done(started.answer("node-1", "Released"))
    done(started.bind("node-1"))
    assert denial(started.answer("node-1", "Preparing")) == (
        "the first answer of an epoch has status.bootID and status.startID only if it is Starting"
    )
    done(started.answer("node-1", "Preparing", bootID=None, startID=None))
    done(started.start("node-1", start="start-2"))


def test_an_older_final_answer_moves_nothing(bound: Order) -> None:
    done(bound.answer("node-1", "Released"))
    done(bound.bind("node-2"))
    assert denial(bound.bind("node-3")).startswith("a higher epoch needs node-2 to answer")


def test_a_fence_names_the_boot_that_started(running: Order) -> None:
    wrong = running.bind("node-2", annotations={"orlop.dev/fenced-boot": "boot-0"})
    assert denial(wrong).endswith("with the boot that is proved dead, boot-1")
    done(running.bind("node-2", annotations={"orlop.dev/fenced-boot": "boot-1"}))


def test_a_fence_of_a_node_that_started_nothing(bound: Order) -> None:
    done(bound.answer("node-1", "Preparing"))
    done(bound.bind("node-2", annotations={"orlop.dev/fenced-boot": "any"}))


# Rule 5: end


@pytest.mark.parametrize(
    ("desired", "state"),
    [("Running", "Running"), ("Stopped", "Stopped"), ("Purged", "Stopped"), ("Released", "Released")],
)
def test_no_deletion_while_the_node_has_something(running: Order, desired: str, state: str) -> None:
    done(running.order(desired=desired))
    done(running.answer("node-1", state))
    assert denial(running.delete()) == (
        "an Assignment is deleted when it is unbound, or when node-1 answered Released to Purged at epoch 1"
    )


def test_an_answer_to_an_earlier_order_purges_nothing(running: Order) -> None:
    done(running.order(desired="Released"))
    done(running.answer("node-1", "Released", rootDisk="Created"))
    done(running.order(desired="Purged"))
    assert denial(running.delete()).endswith("answered Released to Purged at epoch 1")
    done(running.answer("node-1", "Released"))
    assert denial(running.delete()).endswith("answered Released to Purged at epoch 1")
    done(running.answer("node-1", "Released", rootDisk="Absent"))
    done(running.delete())


def test_deletion_after_purge(running: Order, admin: Rest) -> None:
    done(running.order(desired="Purged"))
    assert denial(running.order(desired="Running")) == "Purged cannot be taken back, the disks may be gone"
    done(running.answer("node-1", "Released"))
    done(running.delete())
    assert admin.get(running.manifest).status == 404


def test_deletion_of_what_was_never_placed(order: Order) -> None:
    done(order.create())
    done(order.delete())


def test_an_order_without_a_node_may_be_written_for_its_version_alone(order: Order, admin: Rest) -> None:
    """By the operator, when an Instance of an InstanceGroup is to go elsewhere: ADR 35."""
    done(order.create())
    before = admin.get(order.manifest).body["metadata"]
    note = {"metadata": {"annotations": {"orlop.dev/changed-mind": before["resourceVersion"]}}}
    done(order.by(OPERATOR).patch(order.manifest, note))
    after = admin.get(order.manifest).body["metadata"]
    assert int(after["resourceVersion"]) > int(before["resourceVersion"])
    assert after["generation"] == before["generation"]
