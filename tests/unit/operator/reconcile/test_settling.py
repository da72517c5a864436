"""Data that was made and never heard of: whoever ends or is late, it is never taken for data that was not made."""

import pytest

from support.attaching import Attaching

SHARED = {"driver": "shared", "shared": {"pool": "nfs"}}


@pytest.fixture(params=[{"driver": "local"}, SHARED], ids=["local", "shared"])
def world(request: pytest.FixtureRequest) -> Attaching:
    made = Attaching(request.param, web="n1", other="n2")
    made.user_lists("web")
    made.instance_look("web")
    assert made.lists("web")
    return made


def test_an_operator_that_ends_before_it_wrote_down_what_the_node_said(world: Attaching):
    world.node_attaches("web")
    world.node_answers("web")
    # It would have been written down now. The next answer is about an order that does not list the Volume any more.
    world.user_unlists("web")
    world.instance_look("web")
    world.node_attaches("web")
    world.node_answers("web")
    world.instance_look("web")
    assert world.status()["attachments"] == []
    world.user_lists("other")
    assert "let go before it was known" in (world.instance_look("other") or "")
    world.goes_on()
    assert world.ready() == ("True", "Created")
    assert world.asked("n1") == world.asked("n2") == []


def test_a_node_that_made_it_and_ended_before_it_said_so(world: Attaching):
    world.node_attaches("web")
    world.user_unlists("web")
    world.instance_look("web")
    world.domains.clear()
    world.node_answers("web")
    world.goes_on()
    assert world.ready() == ("True", "Created")
    assert world.status()["capacityBytes"] == 1 << 30


def test_what_was_never_made_is_forgotten_and_made_elsewhere(world: Attaching):
    world.user_unlists("web")
    world.instance_look("web")
    world.node_answers("web")
    world.instance_look("web")
    world.volume_look()
    assert world.ready() == ("False", "Settling")
    world.goes_on()
    assert world.ready() == ("False", "WaitForFirstInstance")
    assert not {"nodeName", "poolID", "location"} & world.status().keys()
    assert world.asked("n1") == world.asked("n2") == [], "what was answered is asked no more"
    world.user_lists("other")
    world.goes_on()
    assert world.ready() == ("True", "Created")
    assert "other" in world.domains


def test_an_answer_to_an_earlier_question_says_nothing(world: Attaching):
    world.user_unlists("web")
    world.instance_look("web")
    world.node_answers("web")
    world.instance_look("web")
    world.volume_look()
    world.node_obeys("n1")
    old = world.hosts["n1"]["status"]["storage"]
    assert old[0]["found"] == "Absent"
    world.volume_look()
    world.user_lists("web")
    world.instance_look("web")
    world.node_attaches("web")
    world.user_unlists("web")
    world.instance_look("web")
    world.domains.clear()
    world.node_answers("web")
    world.instance_look("web")
    world.hosts["n1"]["status"]["storage"] = old
    world.volume_look()
    assert world.ready() == ("False", "Settling")
    world.goes_on()
    assert world.ready() == ("True", "Created")


def test_what_may_have_been_made_is_deleted_with_its_volume(world: Attaching):
    world.node_attaches("web")
    world.user_unlists("web")
    world.instance_look("web")
    world.domains.clear()
    world.node_answers("web")
    world.instance_look("web")
    world.user_deletes()
    world.volume_look()
    assert world.asked("n1") == ["Delete"]
    world.node_obeys("n1")
    world.volume_look()
    assert world.volume is None
    assert not world.files


def test_a_node_that_is_gone_leaves_it_open_and_that_is_said():
    world = Attaching(web="n1", other="n2")
    world.user_lists("web")
    world.instance_look("web")
    world.user_unlists("web")
    world.instance_look("web")
    world.node_answers("web")
    world.instance_look("web")
    del world.hosts["n1"]
    world.volume_look()
    assert world.ready() == ("False", "NodeNotFound")
    assert world.message() == "whether its data was made is not known, and Hypervisor n1 does not exist"
