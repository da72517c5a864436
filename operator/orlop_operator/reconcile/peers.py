"""From whom a node may take an image that others have. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_api.hypervisor import Hypervisor
from orlop_api.peer import MOST_PEERS, ImagePeer


def peers_of(having: Iterable[Hypervisor], node: str) -> tuple[ImagePeer, ...]:
    """The first of those that give images, without the node itself."""
    found: list[ImagePeer] = []
    for host in having:
        peer = _peer(host)
        if peer is not None and peer.node_name != node:
            found.append(peer)
        if len(found) == MOST_PEERS:
            break
    return tuple(found)


def _peer(host: Hypervisor) -> ImagePeer | None:
    status = host.status
    if status is None or status.host_address is None or status.image_peer is None:
        return None
    port = status.image_peer.port
    if port is None or host.spec.certificate is None:
        return None
    return ImagePeer(node_name=host.metadata.name, address=status.host_address, port=port)
