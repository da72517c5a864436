"""The agent's door to the Networks of its node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from orlop_agent.network import names
from orlop_api.assignment import AssignedNic
from orlop_api.port import Port


class Networks:
    """Everything that guests' NICs need on this node; each call can be repeated, also after a failure."""

    def __init__(
        self,
        host_ip: str,
        host_interface: str | None = None,
        *,
        run_dir: Path = Path("/run/orlop"),
        netns_dir: Path = Path("/run/netns"),
        node_shell: Sequence[str] = (),
    ) -> None:
        raise NotImplementedError

    @staticmethod
    def tap_name(instance_uid: str, nic_name: str) -> str:
        """The interface to name in the domain's description."""
        return names.tap(instance_uid, nic_name)

    async def prepare(self, instance_uid: str, hostname: str, nics: Sequence[AssignedNic]) -> None:
        """Makes what the NICs need, up to their taps in the node's own namespace. Raises NetworkError."""

    async def plug(self, instance_uid: str, nics: Sequence[AssignedNic]) -> None:
        """Moves the taps of a paused domain to their Networks and sets them up. Raises NetworkError."""

    async def detach(self, instance_uid: str) -> None:
        """Removes what the Instance had, and Networks that nobody here uses any more. Raises NetworkError."""

    async def set_peers(self, network_uid: str, ports: Sequence[Port]) -> None:
        """Makes the Ports on other nodes reachable, and forgets all others. Raises NetworkError."""

    async def resync(self, wanted: Mapping[str, tuple[str, Sequence[AssignedNic]]]) -> None:
        """Repairs what is missing and removes what nobody wants. Raises NetworkError."""
