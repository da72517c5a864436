"""What one create and one delete cost the API server, counted from its audit log."""

import time

import pytest

from orlop_operator.reconcile.instance.summarize import STARTING_PATIENCE
from support.audit import OPERATOR, RESTED, WRITES, calls, orlops_writes
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e


def test_at_most_nine_writes_per_create_two_of_them_on_the_instance(cluster):
    """One NIC, image cached, no volume, no user data. A node that takes its time costs one more (ADR 9)."""
    cluster.create("warm")  # the image is on this node now, and the Network too
    node = cluster.get("inst", "warm", NAMESPACE)["status"]["nodeName"]
    cluster.create("counted", placement={"nodeSelector": {"kubernetes.io/hostname": node}})
    found = calls(cluster.dev("logs", "audit"))
    created = next(
        call
        for call in reversed(found)
        if (call.resource, call.verb, call.name) == ("instances", "create", "counted")
    )
    writes = orlops_writes(found, created.received, time.time())
    listing = "\n".join(
        f"{call.received - created.received:7.3f} {call.what} {call.name} by {call.user}" for call in writes
    )
    print(f"\n{listing}")
    placed = next(call.done for call in writes if call.what == "patch instances/status")
    slow = writes[-1].received - placed > STARTING_PATIENCE
    assert len(writes) <= 9 + slow, listing
    assert sum(call.resource == "instances" for call in writes) <= 2 + slow, listing
    assert len(writes) >= 5, f"fewer writes than a create can have; is the log complete?\n{listing}"


def test_at_most_seven_writes_per_delete_one_of_them_on_the_instance(cluster):
    """The same Instance's end; the user's own delete is not counted. Without a guest agent the node forces it off."""
    cluster.create("ended")
    before = time.time()
    cluster.delete("ended")
    found = calls(cluster.dev("logs", "audit"))
    # Its ports and claims have other names; nothing else goes on meanwhile.
    ours = [
        call
        for call in found
        if call.received >= before
        and call.verb in WRITES
        and call.resource in {"instances", "assignments", "ports", "claims", "secrets"}
        and (call.user == OPERATOR or ":orlop-nodes:" in call.user)
        # An address that somebody gave back before has rested, whatever else happens just then.
        and call.what != RESTED
    ]
    listing = "\n".join(f"{call.received - before:7.3f} {call.what} {call.code} {call.name}" for call in ours)
    print(f"\n{listing}")
    assert len(ours) <= 7, listing
    assert sum(call.resource == "instances" for call in ours) == 1, listing
    assert all(call.code == 200 for call in ours), listing
