"""Two nodes: one serves Volumes by a real tgtd, the other has a guest with one of them; both joined by mutual TLS."""

from __future__ import annotations

from pathlib import Path

from orlop_agent.hypervisor import Domain, DomainDisk, Mark, Power
from orlop_agent.paths import Layout
from orlop_agent.peer.moments import Giver
from orlop_agent.peer.moments_client import Moments
from orlop_agent.simulate import SimulatedHypervisor
from orlop_agent.snapshots import Snapshots
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.drivers import Drivers
from orlop_agent.volume.iscsi import IscsiVolumes
from orlop_agent.volume.tgt import Tgt
from orlop_api.assignment import AssignedVolume
from orlop_api.hypervisor import Hypervisor
from orlop_api.storage import StorageAction, StorageOrder
from orlop_api.volume_class import Driver, IscsiLocation, TgtTargets, VolumeLocation
from support.offering import GUEST, Offering
from support.peers import Node, Source
from support.targets import ACCOUNT, PASSWORD, Tgtd

SERVER, HOST = "node-1", "node-2"
VOLUME, KEPT = "7e7e7e7e-0000-4000-8000-00000000000a", "7e7e7e7e-0000-4000-8000-00000000000b"


def chap(_uid: str) -> bytes:
    """The secret of every Volume's account."""
    return PASSWORD.encode()


def layout(root: Path) -> Layout:
    made = Layout(root)
    made.prepare()
    return made


class Serving:
    """Both of them, and a third one that is nobody to them."""

    def __init__(self, root: Path, tgtd: Tgtd, source: Source) -> None:
        unit = IscsiLocation(
            host="127.0.0.1",
            port=tgtd.port,
            target=f"iqn.2026-01.dev.orlop:{VOLUME}",
            lun=1,
            account=ACCOUNT,
            tgt=TgtTargets(hypervisor_name=SERVER),
        )
        self.where = VolumeLocation(iscsi=unit)
        self.data = VolumeData(VOLUME, self.where)
        self.kept = VolumeData(KEPT, self.where)
        self.peers = {name: Node(name, root / f"{name}-images", source) for name in (SERVER, HOST, "node-3")}
        self.layouts = {name: layout(root / name) for name in self.peers}
        self.volumes = IscsiVolumes(SERVER, self.layouts[SERVER].targets, Tgt(), chap)
        self.guest = Offering()
        self.guest.form = "raw"
        self.guest.disk = self.layouts[SERVER].targets / f"{VOLUME}.raw"
        self.assigned: AssignedVolume | None = AssignedVolume(
            name="data", volume_uid=VOLUME, location=self.where, size_bytes=1
        )
        elsewhere = IscsiVolumes(HOST, self.layouts[HOST].targets, Tgt(), chap)
        self.giving = Snapshots(self.layouts[HOST], Drivers({Driver.ISCSI: elsewhere}), self.guest)
        self.giver = Giver(lambda uid: self.assigned if uid == VOLUME else None, self.giving.moment)
        self.peers[HOST].peering.give(self.giver)

    def run_guest(self) -> None:
        """It has the Volume."""
        mark = Mark(GUEST, GUEST, 1, "s", "demo", "web")
        self.guest.domains[GUEST] = Domain(mark, Power.RUNNING, (DomainDisk("vdb", VOLUME),))

    async def read(self, name: str) -> Hypervisor:
        """As the API server has it."""
        offer = self.peers[name].peering.offer()
        body = {
            "metadata": {"name": name},
            "spec": {"certificate": {"certificate": "c", "caBundle": "b"}},
            "status": {
                "hostAddress": "127.0.0.1",
                "imagePeer": offer.wire() if offer is not None else None,
            },
        }
        return Hypervisor.model_validate(body)

    def moments(self, name: str = SERVER) -> Moments:
        """A node's client."""
        return Moments(self.layouts[name].exports, self.read, self.peers[name].peering.context)

    def snapshots(self) -> Snapshots:
        """Of an agent of the serving node that has just begun."""
        drivers = Drivers({Driver.ISCSI: self.volumes})
        return Snapshots(self.layouts[SERVER], drivers, SimulatedHypervisor(), self.moments(), SERVER)

    def order(self, held_by: str | None = HOST) -> StorageOrder:
        """Keep the Volume."""
        return StorageOrder(
            uid=KEPT,
            action=StorageAction.SNAPSHOT,
            location=self.where,
            volume_uid=VOLUME,
            held_by=held_by,
        )

    def left(self) -> list[str]:
        """Names of files of both nodes."""
        places = [(each.targets, each.exports, each.volumes) for each in self.layouts.values()]
        return sorted(path.name for place in places for directory in place for path in directory.iterdir())
