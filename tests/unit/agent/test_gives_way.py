"""A guest that is given a Volume comes before what reads that for an Image."""

from types import SimpleNamespace

from orlop_agent.disks import NodeDisks
from orlop_agent.domain.spec import Disk, DiskFile
from orlop_agent.preparation import Preparation
from orlop_api.assignment import AssignedVolume


async def test_what_reads_a_volume_has_let_go_before_its_disk_is_opened(tmp_path):
    said = []

    class Recorded:
        def __getattr__(self, name):
            async def call(*_):
                said.append(name)
                return Disk(DiskFile(tmp_path / "v"), "raw") if name == "made" else None

            return call

    class Publishing:
        async def give_way(self, uid):
            said.append(f"give_way {uid}")

    parts = [Recorded() for _ in range(5)]
    preparation = Preparation(SimpleNamespace(), *parts, Publishing(), NodeDisks())
    volume = AssignedVolume(name="data", volume_uid="v", size_bytes=1, location={"local": {}})
    await preparation.volume("i", volume, None)
    assert said[0] == "give_way v"
    assert "made" in said
