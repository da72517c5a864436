"""A file that no server has, from the node that made it: over real sockets, and why not."""

import os
from pathlib import Path

import pytest

from orlop_agent.api.errors import NotFoundError, UnavailableError
from orlop_agent.image.errors import ImageError
from orlop_agent.image.store import ImageStore
from orlop_agent.peer.keeper import Keepers
from orlop_api.assignment import AssignedImage
from orlop_api.config import ImageConfig
from orlop_api.hypervisor import Hypervisor
from support.peers import DIGEST, DISK, Node, Source, nothing

pytestmark = [
    pytest.mark.component,
    pytest.mark.skipif(os.geteuid() != 0, reason="the inspector gives up privileges, which needs root"),
]


class Cloud:
    """Hypervisors as the API server has them."""

    def __init__(self, giver: Node) -> None:
        self.giver = giver
        self.error: Exception | None = None
        self.ready = "True"
        self.offers = True

    async def read(self, name: str) -> Hypervisor:
        if self.error is not None:
            raise self.error
        assert name == self.giver.name
        peer = {"port": self.giver.peer.port, "certificateRequest": "-----BEGIN CERTIFICATE REQUEST-----"}
        certificate = {"certificate": "-", "caBundle": "-"}
        return Hypervisor.model_validate(
            {
                "metadata": {"name": name},
                "spec": {"certificate": certificate},
                "status": {
                    "hostAddress": "127.0.0.1",
                    "imagePeer": peer if self.offers else None,
                    "conditions": [{"type": "Ready", "status": self.ready, "reason": "AgentAlive"}],
                },
            }
        )


IMAGE = AssignedImage.model_validate(
    {
        "source": {"published": {"nodeName": "node-1"}},
        "digest": DIGEST,
        "format": "raw",
        "virtualSizeBytes": len(DISK),
    }
)


@pytest.fixture
def cloud(nodes: tuple[Node, Node]) -> Cloud:
    return Cloud(nodes[0])


def store(node: Node, cloud: Cloud, tmp_path: Path, *, peers: str = "Enabled") -> ImageStore:
    config = ImageConfig.model_validate({"peers": peers})
    keepers = Keepers(node.name, cloud.read, node.peering, config)
    return ImageStore(tmp_path / f"cache-{node.name}", config, peers=node.peering, keepers=keepers)


async def test_it_is_had_from_its_keeper_without_any_source(
    nodes: tuple[Node, Node], cloud: Cloud, counted: Source, tmp_path: Path
) -> None:
    """The order names no peers: where the keeper listens is read when it is needed."""
    nodes[0].hold()
    files = await store(nodes[1], cloud, tmp_path).ensure(IMAGE, nothing)
    assert files.disk.read_bytes() == DISK
    assert counted.served == 0


async def test_other_bytes_are_not_believed(nodes: tuple[Node, Node], cloud: Cloud, tmp_path: Path) -> None:
    nodes[0].hold(DISK[:-1] + b"x")
    with pytest.raises(ImageError) as error:
        await store(nodes[1], cloud, tmp_path).ensure(IMAGE, nothing)
    assert error.value.reason == "NodeUnreachable"
    assert list((tmp_path / "cache-node-2").iterdir()) == []


@pytest.mark.parametrize(
    ("change", "taker", "peers", "reason", "says"),
    [
        ({}, 1, "Disabled", "PeersDisabled", "images.peers of orlop-config is Disabled"),
        ({}, 0, "Enabled", "CopyLost", "this node published the image, and does not have it any more"),
        ({"error": NotFoundError("node-1")}, 1, "Enabled", "NodeNotFound", "is not there any more"),
        ({"error": UnavailableError("refused")}, 1, "Enabled", "NodeUnreachable", "cannot be read now"),
        ({"ready": "Unknown", "offers": False}, 1, "Enabled", "NodeUnreachable", "keeps it, is not Ready"),
        ({"offers": False}, 1, "Enabled", "NodeUnreachable", "keeps it, does not give it now"),
    ],
)
async def test_it_says_why_it_cannot_be_had(
    nodes: tuple[Node, Node],
    cloud: Cloud,
    tmp_path: Path,
    change: dict[str, object],
    taker: int,
    peers: str,
    reason: str,
    says: str,
) -> None:
    for name, value in change.items():
        setattr(cloud, name, value)
    with pytest.raises(ImageError) as error:
        await store(nodes[taker], cloud, tmp_path, peers=peers).ensure(IMAGE, nothing)
    assert (error.value.reason, error.value.permanent) == (reason, False)
    assert says in error.value.message
