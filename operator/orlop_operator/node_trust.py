"""Signs what nodes are to other nodes, with the authority that is kept in a Secret. Only the leader signs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from orlop_api.peer import NodeCertificate
from orlop_operator.node_certificate import NodeAuthority, certified, renewed, wanted
from orlop_operator.secret_keeper import Calls, SecretKeeper

SECRET = "orlop-node-authority"  # noqa: S105 - the name of a Secret
CHECK_SECONDS = 300.0
"""Between looks at the Secret, unless a certificate is to be signed and it was never seen."""

log = structlog.get_logger()


class NodeTrust:
    """The authority as it was last seen."""

    def __init__(self, cluster: Calls, clock: Callable[[], float]) -> None:
        self._keeper = SecretKeeper(cluster, SECRET, "Opaque", NodeAuthority.parse)
        self._clock = clock
        self._held: NodeAuthority | None = None
        self._checked = float("-inf")

    async def check(self) -> None:
        """Read the Secret, and renew the authority if that is due; does nothing when it did so lately."""
        if self._clock() - self._checked < CHECK_SECONDS:
            return
        self._checked = self._clock()
        held = await self._keeper.keep(lambda held: renewed(held, datetime.now(UTC)))
        if held is None:
            self._checked = float("-inf")
            return
        if self._held is None or held.bundle != self._held.bundle:
            log.info("node authority", bundles=held.bundle.count(b"BEGIN CERTIFICATE"))
        self._held = held

    def certify(self, node: str, request: str, has: NodeCertificate | None) -> NodeCertificate | None:
        """A new certificate, if the node needs one. RequestError where its request is none that is signed."""
        now = datetime.now(UTC)
        if self._held is None or not wanted(has, request, self._held.bundle.decode(), now):
            return None
        return certified(self._held, node, request, now)
