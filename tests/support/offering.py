"""A guest whose disk can be read while it runs, and the order for a snapshot of it."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path

from orlop_agent.hypervisor import Domain, DomainDisk, Export, Mark, Power
from orlop_agent.paths import Layout
from orlop_agent.simulate import SimulatedHypervisor
from orlop_agent.snapshots import Snapshots
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.drivers import Drivers
from orlop_agent.volume.local import LocalVolumes
from orlop_api.snapshot import Quiesce
from orlop_api.storage import StorageAction, StorageOrder
from orlop_api.volume_class import Driver, LocalParameters, VolumeLocation

HERE = VolumeLocation(local=LocalParameters())
VOLUME = VolumeData("7e7e7e7e-0000-4000-8000-00000000000a", HERE)
KEPT = VolumeData("7e7e7e7e-0000-4000-8000-00000000000b", HERE)
GUEST = "7e7e7e7e-0000-4000-8000-00000000000c"
ORDER = StorageOrder(
    uid=KEPT.uid,
    action=StorageAction.SNAPSHOT,
    location=HERE,
    volume_uid=VOLUME.uid,
    quiesce=Quiesce.AUTO,
)
BOTH = [f"{VOLUME.uid}.qcow2", f"{KEPT.uid}.note", f"{KEPT.uid}.qcow2"]


class Offering(SimulatedHypervisor):
    """A guest whose disk is offered as QEMU does it: what it held at the moment, by NBD on a socket."""

    server: asyncio.subprocess.Process | None = None
    disk: Path
    socket: Path
    begun = 0
    form = "qcow2"

    def __init__(self) -> None:
        super().__init__()
        self._servers: list[asyncio.subprocess.Process] = []

    async def begin_export(self, instance_uid: str, export: Export) -> bool:
        await super().begin_export(instance_uid, export)
        await self.end_export(instance_uid)
        self.begun += 1
        self.socket = export.socket
        shutil.copyfile(self.disk, export.scratch)
        self.server = await asyncio.create_subprocess_exec(
            *("qemu-nbd", "-f", self.form, "-r", "-t", "-x", export.name, "-k", export.socket, export.scratch)
        )
        self._servers.append(self.server)
        async with asyncio.timeout(10):
            while not export.socket.exists():
                assert self.server.returncode is None, "qemu-nbd ended: its output says why"
                await asyncio.sleep(0.01)
        return export.quiesce

    async def end_export(self, instance_uid: str) -> None:
        server, self.server = self.server, None  # whoever is cancelled here ends it no second time
        if server is not None:
            server.kill()  # qemu-nbd forgets a SIGTERM that comes before its main loop
            await server.wait()
            self.socket.unlink(missing_ok=True)
        await super().end_export(instance_uid)

    async def closed(self) -> None:
        """No server of it runs any more, not even one whose end somebody was waiting for and was cancelled."""
        for server in self._servers:
            if server.returncode is None:
                with suppress(ProcessLookupError):
                    server.kill()
                await server.wait()


def offering(layout: Layout) -> Offering:
    """It has the Volume in the class `local`."""
    running = Offering()
    mark = Mark(GUEST, GUEST, 1, "s", "demo", "web")
    running.domains[GUEST] = Domain(mark, Power.RUNNING, (DomainDisk("vdb", VOLUME.uid),))
    running.disk = layout.volumes / f"{VOLUME.uid}.qcow2"
    return running


def snapshots(layout: Layout, pool: LocalVolumes, hypervisor: SimulatedHypervisor) -> Snapshots:
    """As an agent begins with them."""
    return Snapshots(layout, Drivers({Driver.LOCAL: pool}), hypervisor)


def left(layout: Layout) -> list[str]:
    """Names of all files of Volumes, snapshots and offers."""
    return sorted(path.name for path in (*layout.volumes.iterdir(), *layout.exports.iterdir()))
