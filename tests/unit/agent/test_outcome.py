"""What a step leaves in an Instance's memory."""

from orlop_agent import outcome, steps
from orlop_agent.failure import StepError
from orlop_agent.hypervisor import EndReason, HypervisorError
from orlop_agent.network.errors import NetworkError
from orlop_agent.observed import Memory
from orlop_agent.protocol import MyStart

PREPARED = Memory(start_id="s", prepared="order")
HELD = Memory(start_id="s", mine=MyStart("a", 1, "s"), created=True)


def failure(cause: Exception) -> StepError:
    error = StepError("Broken", "it broke")
    error.__cause__ = cause
    return error


def test_nics_are_wanted_from_the_first_step_of_a_start_to_its_last():
    assert not Memory().starting
    assert Memory(start_id="s").starting
    taking = outcome.begun(steps.TakeStart(), PREPARED)
    assert taking.start_id is None
    assert taking.starting
    creating = outcome.begun(steps.Create(), PREPARED)
    assert creating.prepared is None
    assert creating.starting
    assert not Memory(start_id="s", unwired=True).starting


def test_only_taps_that_cannot_be_plugged_cost_the_domain():
    gone = failure(NetworkError("Broken", "no such device"))
    assert outcome.failed(steps.Resume(), gone, HELD).mine is None
    assert outcome.failed(steps.Resume(), failure(HypervisorError("late")), HELD) == HELD
    assert outcome.failed(steps.Prepare(), gone, HELD) == HELD


def test_an_end_that_is_seen_during_a_step_is_looked_at_after_it():
    meanwhile = Memory(ended=EndReason.CRASHED)
    assert outcome.taken(steps.Resume(), Memory(), meanwhile).ended is EndReason.CRASHED
    assert outcome.taken(steps.Begin(), Memory(), meanwhile).ended is None
    assert outcome.taken(steps.NoteEnd(None), Memory(), meanwhile).ended is None


def test_a_new_start_was_not_asked_to_end():
    asked = Memory(ended=EndReason.SHUTDOWN, power_off_at=5.0, press_again_at=3.0, asked_until=4.0)
    assert outcome.not_asked(asked) == Memory()
