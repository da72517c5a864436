"""Small form of tests/scale/test_idle.py: copies in etcd, and an operator that starts and rests beside them."""

from pathlib import Path

import pytest

from scale.test_idle import beside

pytestmark = pytest.mark.component


async def test_an_operator_beside_idle_instances(tmp_path: Path) -> None:
    found = await beside(tmp_path, 40, rest=2.0)
    assert (found["instances"], found["nodes"]) == (40, 3)
    assert not any("instances" in what or "assignments" in what for what in found["writes_at_start"])
    assert found["writes_at_rest"] <= found["nodes"], "nothing for each Instance"
