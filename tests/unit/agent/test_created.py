"""Data that was made once: never made anew, whatever the order knew when it was given."""

import pytest

from orlop_agent.failure import StepError
from orlop_agent.observed import listed, said_created
from orlop_agent.volume.drivers import Drivers
from orlop_agent.volume.local import LocalVolumes
from orlop_api.assignment import Assignment
from orlop_api.volume_class import Driver

ORDER = {
    "metadata": {"name": "i"},
    "spec": {
        "instance": {"namespace": "demo", "name": "web", "uid": "i"},
        "epoch": 1,
        "vcpus": 1,
        "memoryBytes": 1 << 20,
        "rootDiskBytes": 0,
        "volumes": [
            {"name": name, "volumeUID": f"v-{name}", "sizeBytes": 1 << 20, "location": {"local": {}}}
            for name in ("made", "new")
        ],
    },
    "status": {"epoch": 1, "state": "Stopped", "createdVolumes": ["v-made"]},
}


async def test_what_the_node_said_of_an_order_that_did_not_know_yet_counts(tmp_path):
    order = Assignment.model_validate(ORDER)
    assert said_created(order) == {"v-made"}
    assert [v.created for v in order.spec.volumes] == ["Unknown", "Unknown"]
    assert [v.created for v in listed(order)] == ["Created", "Unknown"]
    drivers = Drivers({Driver.LOCAL: LocalVolumes(tmp_path)})

    def no_origin(_):
        raise AssertionError("it has none")

    with pytest.raises(StepError) as lost:
        await drivers.ensure(listed(order)[0], no_origin)
    assert (lost.value.reason, list(tmp_path.iterdir())) == ("DiskLost", [])
