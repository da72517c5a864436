"""Files that no server has: taken from the node that made them, wherever it listens now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from orlop_agent.api.errors import ApiError, NotFoundError
from orlop_agent.image.errors import ImageError
from orlop_agent.image.fetch import Progress
from orlop_agent.image.transfer import Part
from orlop_agent.peer.peering import Peering
from orlop_api.condition import is_true
from orlop_api.config import ImageConfig
from orlop_api.hypervisor import Hypervisor
from orlop_api.peer import ImagePeer


class Keepers:
    """Finds them by their Hypervisors."""

    def __init__(
        self,
        node: str,
        read: Callable[[str], Awaitable[Hypervisor]],
        peering: Peering,
        config: ImageConfig,
    ) -> None:
        """`read` gives the Hypervisor of a name; ApiError."""
        self._node = node
        self._read = read
        self._peering = peering
        self._config = config

    async def take(self, keeper: str, name: str, digest: str, part: Part, progress: Progress) -> None:
        """Fetch what is called `name` in caches and hashes to `digest`. ImageError says why it cannot be had."""
        if keeper == self._node:
            raise _gone("CopyLost", "this node published the image, and does not have it any more")
        if self._config.peers == "Disabled":
            message = (
                f"the image was published on {keeper}, and images.peers of orlop-config is Disabled: only"
            )
            raise _gone("PeersDisabled", f"{message} nodes that have it already can run it")
        host = await self._host(keeper)
        peer = offered(host)
        if peer is not None and await self._peering.take(
            [peer], name, digest, part.path, progress, part.expect
        ):
            return
        ready = host.status is not None and is_true(host.status.conditions, "Ready")
        why = "does not give it now" if ready else "is not Ready"
        raise _gone("NodeUnreachable", f"{keeper}, which published the image and keeps it, {why}")

    async def _host(self, keeper: str) -> Hypervisor:
        try:
            return await self._read(keeper)
        except NotFoundError as error:
            message = f"{keeper}, which published the image, is not there any more, and no other node gave it"
            raise _gone("NodeNotFound", message) from error
        except (ApiError, OSError) as error:
            message = f"where {keeper}, which published the image, gives it cannot be read now"
            raise _gone("NodeUnreachable", message) from error


def offered(host: Hypervisor) -> ImagePeer | None:
    """Where the node gives what it has; None while it gives nothing."""
    status = host.status
    if status is None or status.host_address is None or status.image_peer is None:
        return None
    if status.image_peer.port is None or host.spec.certificate is None:
        return None
    return ImagePeer(node_name=host.metadata.name, address=status.host_address, port=status.image_peer.port)


def _gone(reason: str, message: str) -> ImageError:
    """The node, or its file, may come back."""
    return ImageError(reason, message, permanent=False)
