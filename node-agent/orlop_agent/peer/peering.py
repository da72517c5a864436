"""The node among its peers: asks for a certificate, listens once it has one, and takes from others."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from orlop_agent.api import backoff
from orlop_agent.image.fetch import Progress
from orlop_agent.image.names import PATTERN
from orlop_agent.image.transfer import Expect
from orlop_agent.metrics import CacheMetrics
from orlop_agent.peer.client import take
from orlop_agent.peer.identity import Identity
from orlop_agent.peer.moments import Giver
from orlop_agent.peer.server import Server
from orlop_api.config import ImageConfig
from orlop_api.peer import ImagePeer, NodeCertificate, PeerOffer

_NAME = re.compile(PATTERN)

_log = structlog.get_logger()


class Peering:
    """Both sides of it."""

    def __init__(
        self, node: str, address: str, port: int, root: Path, config: ImageConfig, metrics: CacheMetrics
    ) -> None:
        """`address` and `port` are where this node gives, `root` is its image cache."""
        self._root = root
        self._config = config
        self._metrics = metrics
        self._identity = Identity(node)
        self._server = Server(address, port, self._find, metrics.peer_sent.inc)
        self._client: ssl.SSLContext | None = None
        self._certificate: NodeCertificate | None = None
        self._news = asyncio.Event()

    def offer(self) -> PeerOffer | None:
        """What the Hypervisor's status says; None where orlop-config has peers off."""
        if self._config.peers == "Disabled":
            return None
        return PeerOffer(port=self._server.port, certificate_request=self._identity.request)

    def give(self, giver: Giver) -> None:
        """Give what guests of this node have, too."""
        self._server.giver = giver

    def context(self) -> ssl.SSLContext | None:
        """Who this node is to those that it asks; None while it has no certificate."""
        return self._client

    def follow(self, certificate: NodeCertificate | None) -> None:
        """What the Hypervisor's spec says now. Nobody is asked to forget: a certificate ends by itself."""
        if certificate is not None and certificate != self._certificate:
            self._certificate = certificate
            self._news.set()

    async def run(self, changed: Callable[[], None]) -> None:
        """Listen, with each new certificate, until cancelled; `changed` is called when the offer is another."""
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                certificate = self._certificate
                if certificate is not None and self._config.peers == "Enabled":
                    await self._use(certificate, changed)
        finally:
            await self._server.close()

    async def take(
        self,
        peers: Sequence[ImagePeer],
        name: str,
        digest: str,
        target: Path,
        progress: Progress,
        expect: Expect,
    ) -> bool:
        """Whether a peer gave the file that is called `name` in caches and hashes to `digest`."""
        if not peers or self._client is None:
            return False
        received = await take(peers, name, digest, target, self._config, self._client, progress, expect)
        if received is None:
            return False
        self._metrics.peer_received.inc(received)
        return True

    async def _use(self, certificate: NodeCertificate, changed: Callable[[], None]) -> None:
        try:
            self._client = self._identity.client(certificate)
            context = self._identity.server(certificate)
        except (ssl.SSLError, ValueError) as error:
            # For the agent before this one: the operator signs the new request soon.
            _log.info("peer.certificate", error=str(error))
            return
        for delay in backoff.delays(first=1.0, most=60.0):
            if certificate is not self._certificate:
                return
            try:
                await self._server.listen(context)
            except OSError as error:
                # Others find no peer here and go on without it; taking from them works.
                _log.warning("peer.listen", error=error.strerror)
                await asyncio.sleep(delay)
            else:
                _log.info("peer.listen", port=self._server.port)
                changed()
                return

    def _find(self, name: str) -> Path | None:
        """Only what is complete has such a name."""
        path = self._root / name
        return path if _NAME.fullmatch(name) and path.is_file() and not path.is_symlink() else None
