"""A Volume that a node serves is put back by that node; targets of others are not."""

import pytest

from orlop_api.condition import find
from orlop_api.volume import Volume
from support.restoring import Restoring

UNIT = {"host": "h", "port": 1, "target": "iqn.2026-01.example:v", "lun": 1}


def restored(where: dict) -> Restoring:
    """The wish is there, and the operator has done all it can."""
    world = Restoring(shared=False)
    for name in ("nodeName", "poolID"):
        del world.volume["status"][name]
    world.volume["status"]["location"] = where
    world.things["snapshot", "moment"]["status"]["location"] = where
    world.user_restores()
    for _ in range(20):
        for key in world.things:
            world.hears(0, key)
        if not world.looks(0, None):
            return world
    raise AssertionError("it wants something for ever")


def test_who_serves_it_makes_the_new_data_under_another_generation():
    where = {"iscsi": UNIT | {"tgt": {"hypervisorName": "n1"}}}
    world = restored(where)
    [order] = world.things["host", "n1"]["spec"]["storage"]
    assert (order["action"], order["location"]) == ("Restore", where | {"generation": 1})
    assert order["origin"] == {"volumeUID": "s", "location": where}


@pytest.mark.parametrize("tgt", [{}, {"tgt": {"hypervisorName": "gone"}}])
def test_who_else_serves_it_is_not_asked(tgt: dict):
    world = restored({"iscsi": UNIT | tgt})
    assert not world.things["host", "n1"]["spec"].get("storage")
    told = find(Volume.model_validate(world.volume).status.conditions, "Restoring")
    assert told.reason == ("NodeNotFound" if tgt else "NotSupported")
