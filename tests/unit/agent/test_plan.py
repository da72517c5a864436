"""The plan as transitions: one look in, one step out; and whole ways through it on a small world."""

import math
from dataclasses import replace
from typing import Any

import pytest

from orlop_agent import steps
from orlop_agent.hypervisor import Domain, DomainNic, EndReason, Mark, Power
from orlop_agent.journal import Record
from orlop_agent.network import names
from orlop_agent.observed import Memory, Observed, Trouble, order_key
from orlop_agent.plan import plan
from orlop_agent.protocol import Entry, Me, MyStart
from orlop_agent.report import all_ready
from orlop_api.assignment import Assignment, State

UID = "6f1c1c1e-0000-4000-8000-000000000001"
ME = Me("node-1", "boot-1", "pool-1")
NIC = {
    "name": "eth0",
    "portName": "web-1-eth0",
    "networkUID": "n",
    "segmentID": 4097,
    "macAddress": "02:00:10:01:00:0a",
    "addresses": ["10.10.0.10"],
    "cidr": "10.10.0.0/24",
    "gateway": "10.10.0.1",
    "mtu": 1450,
}


def order(status: dict[str, Any] | None = None, deleting: bool = False, **spec: Any) -> Assignment:
    return Assignment.model_validate(
        {
            "metadata": {
                "name": UID,
                "uid": "a",
                "resourceVersion": "7",
                "generation": 2,
                "deletionTimestamp": "2026-01-01T00:00:00Z" if deleting else None,
            },
            "spec": {
                "instance": {"namespace": "demo", "name": "web-1", "uid": UID},
                "nodeName": "node-1",
                "poolID": "pool-1",
                "epoch": 1,
                "desired": "Running",
                "vcpus": 1,
                "memoryBytes": 1,
                "rootDiskBytes": 1,
                "nics": [NIC],
                **spec,
            },
            "status": None if status is None else {"epoch": 1, "observedGeneration": 2, **status},
        }
    )


RAN = {"state": "Running", "bootID": "boot-1", "startID": "s", "rootDisk": "Created"}
STARTED = Entry("a", 1, "s", None, has_root_disk=True)
ETH0 = DomainNic(names.tap(UID, "eth0"), "02:00:10:01:00:0a")
GUEST = Domain(Mark(UID, "a", 1, "s", "demo", "web-1"), Power.RUNNING, nics=(ETH0,))
HELD = replace(GUEST, power=Power.PAUSED)


def look(**changes: Any) -> Observed:
    fields: dict[str, Any] = {
        "now": 1000.0,
        "me": ME,
        "virtualization_type": "qemu",
        "assignment": order(),
        "fresh": False,
        "record": None,
        "domain": None,
        "memory": Memory(),
        "has_root_disk": False,
        "created_volumes": (),
        "makings": {},
        "no_room": None,
    }
    return Observed(**{**fields, **changes})


def running(**changes: Any) -> Observed:
    fields = {
        "assignment": order(RAN),
        "record": Record(STARTED, boot_id="boot-1", ran="s"),
        "domain": GUEST,
        "has_root_disk": True,
    }
    return look(**{**fields, **changes})


def stopped(**changes: Any) -> Observed:
    return running(**{"domain": None, **changes})


def test_a_start_takes_its_steps_in_the_one_order():
    now = look()
    assert plan(now) == steps.Begin()
    begun = Memory(start_id="s")
    now = look(record=Record(Entry("a", 1, "s")), memory=begun)
    assert plan(now) == steps.Prepare()
    prepared = replace(begun, prepared=order_key(order()))
    assert plan(replace(now, memory=prepared)) == steps.TakeStart()
    taken = replace(prepared, mine=MyStart("a", 1, "s"))
    assert plan(replace(now, memory=taken)) == steps.Create()
    created = replace(taken, created=True)
    now = replace(now, memory=created, domain=HELD, record=Record(STARTED))
    assert plan(now) == steps.Resume()
    now = replace(now, domain=GUEST, record=Record(STARTED, ran="s"))
    step = plan(now)
    assert isinstance(step, steps.Report)
    assert step.status.state is State.RUNNING
    assert step.status.conditions == list(all_ready(2))


def test_a_right_that_was_used_is_not_used_again():
    used = Memory(start_id="s", prepared=order_key(order()), mine=MyStart("a", 1, "s"), created=True)
    assert plan(look(record=Record(Entry("a", 1, "s")), memory=used)) == steps.Begin()


def test_a_changed_order_is_prepared_anew():
    memory = Memory(start_id="s", prepared=order_key(order()))
    now = look(assignment=order(memoryBytes=2), record=Record(Entry("a", 1, "s")), memory=memory)
    assert plan(now) == steps.Prepare()


def test_an_unknown_paused_domain_is_destroyed_after_a_read():
    found = running(domain=HELD, record=Record(STARTED))
    assert plan(found) == steps.Read()
    assert plan(replace(found, fresh=True)) == steps.Destroy()


def test_a_guest_that_ran_and_is_paused_is_kept_and_told():
    step = plan(running(domain=HELD))
    assert isinstance(step, steps.Report)
    assert (step.status.state, step.status.reason) == (State.FAILED, "Halted")


@pytest.mark.parametrize("assignment", [None, order(RAN, epoch=0)])
def test_a_guest_without_a_right_is_kept_as_an_orphan(assignment: Assignment | None):
    found = running(assignment=assignment)
    assert plan(found) == steps.Read()
    told = plan(replace(found, fresh=True))
    assert isinstance(told, steps.KeepOrphan)
    memory = Memory(orphan=told.message)
    assert plan(replace(found, fresh=True, memory=memory)) == steps.Wait()


@pytest.mark.parametrize("changes", [{"nodeName": "node-2"}, {"epoch": 2}, {"desired": "Purged"}])
def test_only_a_read_destroys(changes: dict[str, Any]):
    found = running(assignment=order(RAN, **changes))
    assert plan(found) == steps.Read()
    assert plan(replace(found, fresh=True)) == steps.Destroy()


def test_deletion_without_purged_destroys_nothing():
    step = plan(running(assignment=order(RAN, deleting=True), fresh=True))
    assert isinstance(step, steps.Report)
    assert step.status.state is State.RUNNING
    assert plan(stopped(assignment=order(RAN, deleting=True), fresh=True)) == steps.Wait()


def test_a_soft_stop_presses_the_button_again_and_then_pulls_the_plug():
    found = running(assignment=order(RAN, desired="Stopped"), fresh=True)
    assert plan(found) == steps.PressPower()
    pressed = replace(found, memory=Memory(power_off_at=1060.0, press_again_at=1005.0))
    assert plan(pressed) == steps.Wait(1005.0)
    assert plan(replace(pressed, now=1005.0)) == steps.PressPower()
    assert plan(replace(pressed, now=1060.0)) == steps.Destroy()


def test_a_hard_stop_pulls_the_plug():
    found = running(assignment=order(RAN, desired="Stopped", stopPolicy={"mode": "Hard"}), fresh=True)
    assert plan(found) == steps.Destroy()


def test_stopped_is_noted_unwired_and_told():
    found = stopped(assignment=order(RAN, desired="Stopped"))
    assert plan(found) == steps.NoteEnd(None)
    found = replace(found, record=Record(STARTED))
    assert plan(found) == steps.Unwire()
    step = plan(replace(found, memory=Memory(unwired=True)))
    assert isinstance(step, steps.Report)
    assert step.status.state is State.STOPPED
    assert (step.status.boot_id, step.status.start_id) == ("boot-1", "s")


def test_purged_cleans_up_before_it_answers():
    found = stopped(assignment=order(RAN, desired="Purged"))
    assert plan(found) == steps.Unwire()
    found = replace(found, memory=Memory(unwired=True))
    assert plan(found) == steps.Read()
    found = replace(found, fresh=True)
    assert plan(found) == steps.Erase()
    found = replace(found, memory=Memory(unwired=True, erased=True), has_root_disk=False)
    assert plan(found) == steps.Seal(State.RELEASED)
    found = replace(found, record=Record(Entry("a", 1, "s", State.RELEASED)))
    assert plan(found) == steps.AnswerFinal()
    said = {"state": "Released", "bootID": "boot-1", "startID": "s"}
    found = replace(found, assignment=order(said, desired="Purged"))
    assert plan(found) == steps.Wait()
    found = replace(found, assignment=None)
    assert plan(found) == steps.Forget()


def test_released_keeps_the_disks():
    found = stopped(assignment=order(RAN, desired="Released"), memory=Memory(unwired=True), fresh=True)
    assert plan(found) == steps.Seal(State.RELEASED)


def test_no_room_is_refused_before_anything_was_made():
    found = look(no_room="not enough memory", memory=Memory(unwired=True))
    assert plan(found) == steps.Seal(State.REFUSED, "NoRoom", "not enough memory")
    sealed = Record(Entry("a", 1, None, State.REFUSED))
    memory = Memory(unwired=True, sealed_for=("NoRoom", "not enough memory"))
    assert plan(replace(found, record=sealed, memory=memory)) == steps.AnswerFinal(
        "NoRoom", "not enough memory"
    )


def test_no_room_for_an_instance_with_data_waits():
    step = plan(stopped(no_room="not enough memory", record=Record(STARTED)))
    assert isinstance(step, steps.Report)
    assert (step.status.state, step.status.reason) == (State.FAILED, "NoRoom")


def test_a_journaled_final_state_forbids_a_start():
    sealed = Record(Entry("a", 1, None, State.REFUSED))
    assert plan(look(record=sealed, memory=Memory(unwired=True))) == steps.AnswerFinal()


def test_another_pool_is_refused_without_data_and_lost_with_it():
    assert isinstance(plan(look(assignment=order(poolID="else"), memory=Memory(unwired=True))), steps.Seal)
    step = plan(stopped(assignment=order(RAN, poolID="else")))
    assert isinstance(step, steps.Report)
    assert step.status.reason == "DiskLost"


def test_restarted_at_stops_and_starts_once():
    asked = order(RAN, restartedAt="now")
    assert plan(running(assignment=asked)) == steps.Read()
    assert plan(running(assignment=asked, fresh=True)) == steps.PressPower()
    gone = stopped(assignment=asked, memory=Memory(ended=EndReason.SHUTDOWN))
    assert plan(gone) == steps.Begin()
    done = order({**RAN, "restartedAt": "now"}, restartedAt="now")
    assert isinstance(plan(running(assignment=done)), steps.Report)


@pytest.mark.parametrize(
    ("policy", "reason", "again"),
    [
        ("Always", EndReason.SHUTDOWN, True),
        ("Always", EndReason.DESTROYED, True),
        ("OnFailure", EndReason.SHUTDOWN, False),
        ("OnFailure", EndReason.CRASHED, True),
        ("OnFailure", None, True),
        ("Never", EndReason.CRASHED, False),
    ],
)
def test_a_guest_that_ended_by_itself(policy: str, reason: EndReason | None, again: bool):
    gone = stopped(assignment=order(RAN, restartPolicy=policy), memory=Memory(ended=reason))
    noted = plan(gone)
    assert noted == steps.NoteEnd(reason or EndReason.CRASHED)
    assert isinstance(noted, steps.NoteEnd)
    record = Record(STARTED, boot_id="boot-1", ran="s", ended=noted.reason)
    later = replace(gone, record=record, memory=Memory(restart_at=1001.0, unwired=True))
    if again:
        assert plan(later) == steps.Wait(1001.0)
        assert plan(replace(later, now=1001.0)) == steps.Begin()
    else:
        step = plan(later)
        assert isinstance(step, steps.Report)
        assert step.status.state is State.STOPPED
        assert step.status.reason.startswith("Guest")


def test_a_node_that_rebooted_starts_its_guests_whatever_the_policy():
    rebooted = Me("node-1", "boot-2", "pool-1")
    assert plan(stopped(me=rebooted, assignment=order(RAN, restartPolicy="Never"))) == steps.Begin()


def test_a_guest_that_was_asked_to_stop_and_is_wanted_again_starts():
    found = stopped(memory=Memory(power_off_at=1060.0), assignment=order(RAN, restartPolicy="Never"))
    assert plan(found) == steps.NoteEnd(None)


def test_trouble_is_told_and_waited_out():
    trouble = Trouble("Broken", "it broke", 1010.0)
    step = plan(look(memory=Memory(trouble=trouble)))
    assert isinstance(step, steps.Report)
    assert (step.status.state, step.status.reason, step.status.message) == (
        State.FAILED,
        "Broken",
        "it broke",
    )
    assert plan(look(memory=Memory(trouble=trouble), now=1010.0)) == steps.Begin()


def test_trouble_with_a_running_guest_is_not_its_state():
    trouble = Trouble("Broken", "it broke", 1010.0)
    assert plan(running(memory=Memory(trouble=trouble))) == steps.Wait(1010.0)


def test_trouble_that_time_does_not_heal_waits_for_an_order():
    trouble = Trouble("Broken", "it broke", math.inf)
    assert plan(running(memory=Memory(trouble=trouble))) == steps.Wait(None)


def test_what_went_elsewhere_is_unwired_and_its_files_stay():
    elsewhere = stopped(assignment=order(RAN, nodeName="node-2", epoch=2))
    assert plan(elsewhere) == steps.Read()
    elsewhere = replace(elsewhere, fresh=True)
    assert plan(elsewhere) == steps.Unwire()
    assert plan(replace(elsewhere, memory=Memory(unwired=True))) == steps.Wait()


def test_the_status_of_another_epoch_is_not_carried_over():
    moved = order(RAN).model_copy(update={"spec": order().spec.model_copy(update={"epoch": 2})})
    trouble = Trouble("Broken", "it broke", 1010.0)
    step = plan(look(assignment=moved, memory=Memory(trouble=trouble)))
    assert isinstance(step, steps.Report)
    assert (step.status.epoch, step.status.boot_id, step.status.start_id) == (2, None, None)


def test_a_stop_that_is_taken_back_leaves_no_deadline():
    asked = Memory(power_off_at=1060.0, press_again_at=1005.0)
    assert plan(running(memory=asked)) == steps.Spare()
    spared = Memory(asked_until=1060.0)
    assert isinstance(plan(running(memory=spared)), steps.Report)
    again = running(assignment=order(RAN, desired="Stopped"), fresh=True, memory=spared, now=2000.0)
    assert plan(again) == steps.PressPower()
    assert plan(running(assignment=order(RAN, restartedAt="now"), fresh=True, memory=asked)) != steps.Spare()


@pytest.mark.parametrize(
    ("reason", "now", "counts_as"),
    [
        (EndReason.SHUTDOWN, 1059.0, None),
        (EndReason.SHUTDOWN, 1060.0, EndReason.SHUTDOWN),
        (EndReason.CRASHED, 1059.0, EndReason.CRASHED),
        (None, 1059.0, EndReason.CRASHED),
    ],
)
def test_a_guest_that_is_wanted_again_may_still_obey_but_not_crash(
    reason: EndReason | None, now: float, counts_as: EndReason | None
):
    gone = stopped(memory=Memory(asked_until=1060.0, ended=reason), now=now)
    assert plan(gone) == steps.NoteEnd(counts_as)


@pytest.mark.parametrize(
    "changes", [{"record": None}, {"assignment": order()}, {"memory": Memory(start_id="s")}]
)
def test_a_lost_root_disk_is_never_made_anew(changes: dict[str, Any]):
    ended_on_order = {"record": Record(STARTED, boot_id="boot-1")}
    lost = stopped(**{"has_root_disk": False, **ended_on_order, **changes})
    step = plan(lost)
    assert isinstance(step, steps.Report)
    assert (step.status.state, step.status.reason) == (State.FAILED, "DiskLost")
    assert step.status.root_disk == "Created"
    assert step.status.message.startswith("the root disk of Instance demo/web-1 is missing")
    assert not isinstance(plan(replace(lost, has_root_disk=True)), steps.Report)


def test_a_root_disk_that_was_never_made_is_made():
    begun = look(record=Record(Entry("a", 1, "s")), assignment=order({"state": "Preparing"}))
    assert plan(begun) == steps.Begin()
    assert plan(replace(begun, memory=Memory(start_id="s"))) == steps.Prepare()


def test_a_halted_guest_is_restarted_when_it_is_asked_for():
    asked = running(domain=HELD, assignment=order(RAN, restartedAt="now"))
    assert plan(asked) == steps.Read()
    assert plan(replace(asked, fresh=True)) == steps.Destroy()


def test_only_a_domain_that_runs_proves_that_it_ran():
    unnoted = running(record=Record(STARTED, boot_id="boot-1"))
    assert plan(unnoted) == steps.NoteRunning()
    assert plan(replace(unnoted, domain=HELD, fresh=True)) == steps.Destroy()
    assert isinstance(plan(replace(unnoted, record=Record(STARTED, ran="s"))), steps.Report)


def test_a_held_domain_whose_right_was_given_up_is_destroyed_and_begun_anew():
    memory = Memory(start_id="s", mine=MyStart("a", 1, "s"), created=True)
    held = running(domain=HELD, record=Record(STARTED), memory=memory, fresh=True)
    assert plan(held) == steps.Resume()
    memory = replace(memory, mine=None)
    assert plan(replace(held, memory=memory)) == steps.Destroy()
    assert plan(replace(held, memory=memory, domain=None)) == steps.Begin()
