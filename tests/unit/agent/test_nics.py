"""NICs of a guest that runs: what is plugged, asked back, dropped and told; and that every way ends as ordered."""

import random
from dataclasses import replace
from typing import Any

import pytest

from orlop_agent import outcome, steps, wired
from orlop_agent.failure import StepError
from orlop_agent.hypervisor import DomainNic
from orlop_agent.journal import Record
from orlop_agent.network import names
from orlop_agent.observed import Memory, Observed, order_key
from orlop_agent.plan import plan
from orlop_agent.protocol import Entry
from orlop_api.assignment import AssignedNic, State
from unit.agent.test_plan import GUEST, NIC, RAN, STARTED, UID, look, order, running, stopped


def nic(name: str, number: int = 10, **more: Any) -> dict[str, Any]:
    return NIC | {
        "name": name, "portName": f"web-1-{name}", "macAddress": f"02:00:10:01:00:{number:02x}",
        "addresses": [f"10.10.0.{number}"], **more,
    }  # fmt: skip


ONE, TWO, OTHER = nic("eth0"), nic("eth1", 11), nic("eth1", 12, networkUID="m", segmentID=4098)


def tap(name: str) -> str:
    return names.tap(UID, name)


def plugged(wish: dict[str, Any], *, connected: bool = True) -> DomainNic:
    return DomainNic(tap(wish["name"]), wish["macAddress"], connected)


def seen(
    wanted: list[dict[str, Any]], journaled: list[dict[str, Any]], *has: DomainNic, **changes: Any
) -> Observed:
    known = tuple(AssignedNic.model_validate(each) for each in journaled)
    fields = {
        "assignment": order(RAN, nics=wanted),
        "record": Record(STARTED, boot_id="boot-1", ran="s", nics=known),
        "domain": replace(GUEST, nics=has),
        **changes,
    }
    return running(**fields)


def told(found: Observed) -> tuple[str, str, str]:
    """Status, reason and message of NetworkReady."""
    step = plan(found)
    assert isinstance(step, steps.Report), step
    assert step.status.state is State.RUNNING
    (ready,) = [c for c in step.status.conditions if c.type == "NetworkReady"]
    return ready.status, ready.reason, ready.message


def attached(found: Observed) -> list[str]:
    assert found.assignment is not None
    return [each.port_name for each in wired.attached(found, found.assignment)]


def test_what_is_as_it_shall_be_is_left_alone():
    found = seen([ONE, TWO], [ONE, TWO], plugged(ONE), plugged(TWO))
    assert told(found) == ("True", "NetworkReady", "")
    assert attached(found) == ["web-1-eth0", "web-1-eth1"]


def test_a_guest_of_before_whose_journal_names_its_nics_is_left_alone_too():
    older = nic("eth0", mtu=1400, domain="other.example")  # what an older operator resolved otherwise
    assert told(seen([ONE], [older], plugged(ONE)))[0] == "True"


def test_a_new_nic_is_plugged_in_then_connected():
    found = seen([ONE, TWO], [ONE], plugged(ONE))
    assert plan(found) == steps.AttachNic(tap("eth1"))
    found = seen([ONE, TWO], [ONE, TWO], plugged(ONE), plugged(TWO, connected=False))
    assert plan(found) == steps.ConnectNic(tap("eth1"))


def test_one_that_is_not_wanted_is_asked_back_then_dropped_then_answered_for():
    found = seen([ONE], [ONE, TWO], plugged(ONE), plugged(TWO))
    assert plan(found) == steps.Read(), "not on the word of a cache"
    assert plan(replace(found, fresh=True)) == steps.DetachNic(tap("eth1"))
    asked = replace(found, fresh=True, memory=outcome.asked(found.memory, tap("eth1"), found.now))
    assert told(asked)[:2] == ("False", "Detaching")
    assert attached(asked) == ["web-1-eth0", "web-1-eth1"], "its address is not to be given to others"
    later = replace(asked, now=asked.now + 4)
    assert told(later)[1] == "GuestHoldsNIC"
    assert told(later)[2].startswith("the guest has not released NIC eth1: it is asked again")
    step = plan(later)
    assert isinstance(step, steps.Report)
    assert step.until == found.now + 5
    assert plan(replace(later, now=asked.now + 5)) == steps.DetachNic(tap("eth1")), "asked again"
    gone = seen([ONE], [ONE, TWO], plugged(ONE), fresh=True)
    assert attached(gone) == ["web-1-eth0", "web-1-eth1"], "tap and rules are still here"
    assert plan(gone) == steps.DropNic(tap("eth1"))
    assert attached(seen([ONE], [ONE], plugged(ONE))) == ["web-1-eth0"]


def test_another_nic_under_the_same_name_comes_when_nothing_is_left_of_the_first():
    way = [
        (seen([ONE, OTHER], [ONE, TWO], plugged(ONE), plugged(TWO), fresh=True), steps.DetachNic),
        (seen([ONE, OTHER], [ONE, TWO], plugged(ONE), fresh=True), steps.DropNic),
        (seen([ONE, OTHER], [ONE], plugged(ONE), fresh=True), steps.AttachNic),
    ]
    assert [type(plan(found)) for found, _ in way] == [step for _, step in way]
    twin = nic("eth1", 11, networkUID="m", segmentID=4098)  # with the same MAC address on another Network
    assert isinstance(
        plan(seen([ONE, twin], [ONE, TWO], plugged(ONE), plugged(TWO), fresh=True)), steps.DetachNic
    )


def test_trouble_with_one_nic_holds_up_nothing_else():
    three = nic("eth2", 13)
    found = seen([ONE, TWO, three], [ONE], plugged(ONE))
    failed = outcome.device_failed(tap("eth1"), StepError("Broken", "no slot"), found.memory, found.now)
    found = replace(found, memory=failed)
    assert plan(found) == steps.AttachNic(tap("eth2"))
    found = seen([ONE, TWO, three], [ONE, three], plugged(ONE), plugged(three), memory=failed)
    assert told(found) == ("False", "Broken", "NIC eth1: no slot")
    step = plan(found)
    assert isinstance(step, steps.Report)
    assert step.until == found.now + 1


def test_a_guest_never_has_more_than_eight():
    old = [nic(f"old{n}", 20 + n) for n in range(8)]
    found = seen([ONE], old, *map(plugged, old), fresh=True)
    memory = found.memory
    for each in old:
        memory = outcome.asked(memory, tap(each["name"]), found.now)
    assert told(replace(found, memory=memory))[1] == "Detaching", "none is attached before one went"
    assert plan(seen([ONE], old, *map(plugged, old[1:]), fresh=True, memory=memory)) == steps.DropNic(
        tap("old0")
    )
    assert plan(seen([ONE], old[1:], *map(plugged, old[1:]), fresh=True, memory=memory)) == steps.AttachNic(
        tap("eth0")
    )


def test_a_nic_of_somebody_elses_is_let_alone():
    theirs = DomainNic("vnet0", "52:54:00:00:00:01")
    found = seen([ONE], [ONE], plugged(ONE), theirs)
    assert told(found)[0] == "True"
    assert attached(found) == ["web-1-eth0"]


def test_nothing_comes_while_too_much_is_left_of_others():
    """Whatever goes wrong, an answer has room for all that is here."""
    old = [nic(f"old{n}", 20 + n) for n in range(8)]
    found = seen([ONE], old, fresh=True)
    for each in old:
        assert plan(found) == steps.DropNic(tap(each["name"]))
        memory = outcome.device_failed(tap(each["name"]), StepError("Broken", "no"), found.memory, found.now)
        found = replace(found, memory=memory)
    assert isinstance(plan(found), steps.Report)


def test_what_went_meanwhile_is_dropped_before_another_start_forgets_it():
    found = stopped(
        assignment=order(RAN, nics=[ONE]),
        record=Record(
            STARTED, boot_id="boot-0", ran="s", nics=tuple(map(AssignedNic.model_validate, [ONE, TWO]))
        ),
    )
    assert plan(found) == steps.DropNic(tap("eth1"))
    assert plan(replace(found, memory=Memory(unwired=True))) == steps.Begin()


def test_an_order_that_changes_while_it_is_prepared_is_prepared_anew():
    memory = Memory(start_id="s", prepared=order_key(order(nics=[ONE])))
    found = look(record=Record(Entry("a", 1, "s")), memory=memory, assignment=order(nics=[ONE, TWO]))
    assert plan(found) == steps.Prepare()


def test_a_stopped_instance_says_that_nothing_is_here():
    holds = {"type": "NetworkReady", "status": "False", "reason": "GuestHoldsNIC", "message": "the guest …"}
    status = {**RAN, "conditions": [holds]}
    found = stopped(
        assignment=order(status, nics=[ONE], desired="Stopped"),
        memory=Memory(unwired=True),
        record=Record(STARTED),
    )
    step = plan(found)
    assert isinstance(step, steps.Report)
    assert (step.status.attached_nics, step.status.conditions) == ([], [])


@pytest.mark.parametrize("seed", range(200))
def test_every_way_ends_as_ordered_and_touches_nothing_that_stays(seed: int):
    """A small world with lost calls and lost processes between any two steps."""
    dice = random.Random(seed)
    wishes = [ONE, TWO, OTHER, nic("eth2", 13), nic("eth3", 14)]

    def wish() -> list[dict[str, Any]]:
        some = dice.sample(wishes, dice.randrange(len(wishes) + 1))
        return list({each["name"]: each for each in some}.values())

    journal, domain, taps = wish(), list[DomainNic](), set[str]()
    domain, taps = [plugged(each) for each in journal], {tap(each["name"]) for each in journal}
    wanted, memory = wish(), Memory()
    stays = {d.tap for d in domain if any(d == plugged(w) and w in journal for w in wanted)}
    for _ in range(60):
        found = seen(wanted, journal, *domain, memory=memory, fresh=dice.random() < 0.7, now=1000.0 + _ * 6)
        step = plan(found)
        if isinstance(step, steps.Report):
            if told(found)[0] == "True":
                break
            continue
        if dice.random() < 0.15:
            memory = Memory()  # another process
        half = dice.random() < 0.2  # the process ends in the middle
        of = {tap(w["name"]): w for w in (*journal, *wanted)}
        match step:
            case steps.AttachNic(tap=name):
                assert name not in stays
                assert all(d.tap != name for d in domain)
                journal = [*(j for j in journal if j["name"] != of[name]["name"]), of[name]]
                if half:
                    continue
                taps.add(name)
                domain.append(plugged(of[name], connected=False))
            case steps.ConnectNic(tap=name):
                assert name in taps
                if not half:
                    domain = [replace(d, connected=True) if d.tap == name else d for d in domain]
            case steps.DetachNic(tap=name):
                assert name not in stays
                memory = outcome.asked(memory, name, found.now)
                if not half:  # or the guest holds on
                    domain = [d for d in domain if d.tap != name]
            case steps.DropNic(tap=name):
                assert name not in {d.tap for d in domain}
                taps.discard(name)
                if not half:
                    journal = [j for j in journal if tap(j["name"]) != name]
            case _:
                assert step == steps.Read()
    ends = sorted(plugged(w).mac for w in wanted)
    assert sorted(d.mac for d in domain if d.connected) == ends
    assert taps == {tap(w["name"]) for w in wanted}
    assert sorted(j["portName"] for j in journal) == sorted(w["portName"] for w in wanted)
