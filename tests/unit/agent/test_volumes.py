"""Volumes of a guest that runs: what is plugged, asked back, told, and when it is looked at again."""

from dataclasses import replace
from typing import Any

from orlop_agent import outcome, steps
from orlop_agent.failure import StepError
from orlop_agent.hypervisor import DomainDisk, Limits, Power
from orlop_agent.journal import Record
from orlop_agent.observed import DiskMemory, Memory, order_key
from orlop_agent.plan import plan
from orlop_api.assignment import State
from unit.agent.test_plan import GUEST, RAN, STARTED, order, running, stopped

ROOT, SEED = DomainDisk("vda"), DomainDisk("vdz", readonly=True)


def volume(uid: str, **more: Any) -> dict[str, Any]:
    return {"name": uid, "volumeUID": uid, "location": {"local": {}}, "sizeBytes": 1 << 20, **more}


def guest(*disks: DomainDisk) -> Any:
    return replace(GUEST, disks=(ROOT, *disks, SEED))


def look(wanted: list[dict[str, Any]], *disks: DomainDisk, **changes: Any) -> Any:
    """A guest with these disks, all of them measured already."""
    known = {disk.volume_uid: DiskMemory(size=1 << 20) for disk in disks if disk.volume_uid}
    made = tuple(each["volumeUID"] for each in wanted)
    fields = {"memory": Memory(disks=known), "created_volumes": made, **changes}
    return running(assignment=order(RAN, volumes=wanted), domain=guest(*disks), **fields)


def told(found: Any) -> tuple[str, str, str]:
    """Status, reason and message of VolumesReady."""
    step = plan(found)
    assert isinstance(step, steps.Report)
    assert step.status.state is State.RUNNING
    (ready,) = [c for c in step.status.conditions if c.type == "VolumesReady"]
    return ready.status, ready.reason, ready.message


def test_data_is_made_beside_the_guest_and_plugged_in_once_it_is_there():
    found = look([volume("new"), volume("old", created="Created")], created_volumes=())
    assert plan(found) == steps.MakeDisk("new")
    found = replace(found, makings={"new": "12 % of what it begins as are copied"})
    assert plan(found) == steps.AttachDisk("old"), "one that is made holds up no other"
    found = look([volume("new")], created_volumes=(), makings=found.makings)
    assert told(found) == ("False", "Making", "disk new: 12 % of what it begins as are copied")
    step = plan(found)
    assert isinstance(step, steps.Report)
    assert step.until == found.now + 10
    assert plan(look([volume("new")])) == steps.AttachDisk("new")


def test_what_is_not_wanted_any_more_is_not_made_further_before_anything_is_said():
    making = {"new": ""}
    assert plan(look([], makings=making)) == steps.EndMaking("new")
    stops = look([volume("new")], makings=making, created_volumes=())
    for desired, step in (("Stopped", steps.Read()), ("Purged", steps.EndMaking("new"))):
        order_now = order(RAN, volumes=[volume("new")], desired=desired)
        assert plan(replace(stops, assignment=order_now)) == step, "what stays is made further"


def test_what_is_as_it_shall_be_is_left_alone():
    found = look([volume("a")], DomainDisk("vdb", "a"))
    assert told(found)[0] == "True"
    step = plan(found)
    assert isinstance(step, steps.Report)
    assert [v.volume_uid for v in step.status.attached_volumes] == ["a"]
    assert step.until is None


def test_a_volume_that_is_listed_anew_is_attached():
    assert plan(look([volume("a"), volume("b")], DomainDisk("vdb", "a"))) == steps.AttachDisk("b")


def test_a_volume_that_is_not_listed_any_more_is_asked_back_after_a_read():
    found = look([], DomainDisk("vdb", "a"))
    assert plan(found) == steps.Read()
    assert plan(replace(found, fresh=True)) == steps.DetachDisk("a")


def test_what_goes_is_asked_back_before_what_comes_is_plugged():
    found = look([volume("b")], DomainDisk("vdb", "a"), fresh=True)
    assert plan(found) == steps.DetachDisk("a")
    asked = outcome.asked(found.memory, "a", found.now)
    assert plan(replace(found, memory=asked)) == steps.AttachDisk("b")


def test_another_access_means_another_disk():
    found = look([volume("a", access="ReadOnly")], DomainDisk("vdb", "a"), fresh=True)
    assert plan(found) == steps.DetachDisk("a")
    assert plan(look([volume("a", access="ReadOnly")])) == steps.AttachDisk("a")


def test_a_guest_that_holds_on_is_told_and_asked_again():
    found = look([], DomainDisk("vdb", "a"), fresh=True)
    found = replace(found, memory=outcome.asked(found.memory, "a", found.now))
    assert told(found)[:2] == ("False", "Detaching")
    step = plan(found)
    assert isinstance(step, steps.Report)
    assert step.until == found.now + 3
    later = replace(found, now=found.now + 3)
    status, reason, message = told(later)
    assert (status, reason) == ("False", "GuestHoldsDisk")
    assert message.startswith("the guest has not released the disk with the serial a: ")
    again = replace(found, now=found.now + outcome.ASK_AGAIN)
    assert plan(again) == steps.DetachDisk("a")
    since = outcome.asked(again.memory, "a", again.now).disks["a"].asked_at
    assert since == found.now


def test_a_disk_in_trouble_holds_up_no_other_and_not_the_guest():
    found = look([volume("a"), volume("b")])
    error = StepError("HypervisorError", "no place is free")
    memory = outcome.device_failed("a", error, found.memory, found.now)
    found = replace(found, memory=memory)
    assert plan(found) == steps.AttachDisk("b")
    found = replace(
        found,
        domain=guest(DomainDisk("vdb", "b")),
        memory=replace(memory, disks={**memory.disks, "b": DiskMemory(size=1 << 20)}),
    )
    assert told(found) == ("False", "HypervisorError", "disk a: no place is free")
    step = plan(found)
    assert isinstance(step, steps.Report)
    assert step.until == found.now + 1
    assert plan(replace(found, now=found.now + 1)) == steps.AttachDisk("a")
    memory = outcome.device_failed("a", error, memory, found.now)
    assert memory.disks["a"].due_at == found.now + 2
    assert not outcome.untroubled(memory, "a").disks


def test_a_size_is_learned_once_and_follows_the_order():
    disk = DomainDisk("vdb", "a")
    found = look([volume("a")], disk, memory=Memory())
    assert plan(found) == steps.FitDisk("a")
    found = replace(found, memory=outcome.sized(Memory(), "a", 1 << 20))
    step = plan(found)
    assert isinstance(step, steps.Report)
    assert [(v.volume_uid, v.size_bytes) for v in step.status.volume_sizes] == [("a", 1 << 20)]
    grown = replace(found, assignment=order(RAN, volumes=[volume("a", sizeBytes=2 << 20)]))
    assert plan(grown) == steps.FitDisk("a")
    failed = outcome.device_failed("a", StepError("HypervisorError", "no"), found.memory, found.now)
    assert told(replace(grown, memory=failed)) == ("False", "HypervisorError", "disk a: no")
    larger = replace(found, memory=outcome.sized(Memory(), "a", 4 << 20))
    assert isinstance(plan(larger), steps.Report), "a disk never shrinks"


def test_limits_are_set_where_they_are_others():
    limits = {"iopsPerSecond": 100, "burstIopsPerSecond": 300, "burstSeconds": 5}
    wanted = [volume("a", limits=limits)]
    assert plan(look(wanted, DomainDisk("vdb", "a"))) == steps.LimitDisk("a")
    held = DomainDisk("vdb", "a", limits=Limits(iops=100, burst_iops=300, burst_seconds=5))
    assert isinstance(plan(look(wanted, held)), steps.Report)
    assert plan(look([volume("a")], held)) == steps.LimitDisk("a"), "a limit that was taken away"


def test_a_domain_holds_no_more_than_an_order_may_list():
    disks = [DomainDisk(f"vd{n}", f"old-{n}") for n in range(16)]
    asked = {f"old-{n}": DiskMemory(asked_at=1000.0, due_at=1005.0) for n in range(16)}
    found = look([volume("new")], *disks, memory=Memory(disks=asked))
    assert told(found)[:2] == ("False", "Detaching")


def test_a_halted_guest_keeps_its_volumes():
    found = look([], DomainDisk("vdb", "a"), fresh=True)
    halted = replace(found, domain=replace(guest(DomainDisk("vdb", "a")), power=Power.PAUSED))
    step = plan(halted)
    assert isinstance(step, steps.Report)
    assert step.status.reason == "Halted"
    assert [v.volume_uid for v in step.status.attached_volumes] == ["a"]


def test_only_a_start_is_prepared_anew_for_its_volumes():
    before, after = order(RAN), order(RAN, volumes=[volume("a")])
    assert order_key(before) != order_key(after)
    assert order_key(before) == order_key(order(RAN, instanceGeneration=7))
    assert isinstance(plan(running(assignment=after)), steps.MakeDisk)


def test_a_stopped_instance_has_its_volumes_grow():
    wanted = [volume("a", sizeBytes=2 << 20)]
    said = {**RAN, "state": "Stopped", "volumeSizes": [{"volumeUID": "a", "sizeBytes": 1 << 20}]}
    found = stopped(
        assignment=order(said, desired="Stopped", volumes=wanted),
        record=Record(STARTED),
        memory=Memory(unwired=True),
        created_volumes=("a",),
    )
    assert plan(found) == steps.GrowData("a")
    error = StepError("DiskNotMade", "no space left on device")
    failed = outcome.device_failed("a", error, found.memory, found.now)
    step = plan(replace(found, memory=failed))
    assert isinstance(step, steps.Report)
    assert step.until == found.now + 1
    assert [(c.reason, c.message) for c in step.status.conditions] == [(error.reason, error.message)]
    step = plan(replace(found, memory=outcome.sized(found.memory, "a", 2 << 20)))
    assert isinstance(step, steps.Report)
    assert [v.size_bytes for v in step.status.volume_sizes] == [2 << 20]
    unknown = order({**RAN, "state": "Stopped"}, desired="Stopped", volumes=wanted)
    assert isinstance(plan(replace(found, assignment=unknown)), steps.Report), "it is measured when it starts"


def test_a_guest_that_a_full_disk_halted_goes_on_later_and_later():
    found = look([], fresh=True)
    found = replace(found, domain=replace(guest(), power=Power.PAUSED, failed=("vda",)))
    waits = []
    for _ in range(5):
        assert plan(found) == steps.GoOn()
        found = replace(found, memory=outcome.went_on(found.memory, found.now))
        step = plan(found)
        assert isinstance(step, steps.Report)
        assert (step.status.state, step.status.reason) == (State.FAILED, "DiskFull")
        assert "the root disk" in step.status.message
        assert step.until is not None
        waits.append(step.until - found.now)
        found = replace(found, now=step.until)
    assert waits == [5, 10, 20, 30, 30]
    assert plan(replace(found, domain=replace(found.domain, failed=()))) == steps.GoOn()
    runs = replace(found, domain=guest(), memory=outcome.went_on(found.memory, found.now))
    assert plan(runs) == steps.Wait(found.now + 1), "not before it has shown that it does"
    assert isinstance(plan(replace(runs, now=found.now + 1)), steps.Report)
