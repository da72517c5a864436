"""Keeps the webhook trusted: its certificate in a Secret, and the authority in the webhook configuration.

Every replica does this. The Secret is created by name and replaced by compare-and-swap, so all of them
serve what one of them made.
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from orlop_operator.certificate import Material, renewed
from orlop_operator.secret_keeper import Calls, SecretKeeper

SECRET = "orlop-webhook-certificate"  # noqa: S105 - the name of a Secret
CONFIGURATION = "orlop"
HOST = "orlop-webhook.orlop-system.svc"
"""What API servers ask for: `<service>.<namespace>.svc`."""

_CONFIGURATION = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/{CONFIGURATION}"

_TYPE = "kubernetes.io/tls"
_BY_NAME = "application/strategic-merge-patch+json"
"""Lists are merged by their keys, webhooks by name."""

log = structlog.get_logger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Trust:
    """The certificate in use; `context` serves it, and takes over a new one without a restart."""

    cluster: Calls
    context: ssl.SSLContext
    now: Callable[[], datetime] = _now
    established: bool = False
    """The API servers were told to trust what is served."""
    _served: bytes = b""

    async def check(self) -> None:
        """Renew what is due, tell the API servers, then serve it. Repeat every half minute."""
        material = await self._material()
        if material is None:
            return
        self.established = self.established and material.certificate == self._served
        await self._tell(material.ca_bundle)
        if material.certificate != self._served:
            load(self.context, material)
            self._served = material.certificate
            log.info("webhook certificate loaded", host=HOST)
        self.established = True

    async def _material(self) -> Material | None:
        """The Secret's content, renewed if due; None when another replica was faster: look again."""
        keeper = SecretKeeper(self.cluster, SECRET, _TYPE, Material.parse)
        return await keeper.keep(lambda held: renewed(held, HOST, self.now()))

    async def _tell(self, ca_bundle: bytes) -> None:
        """Write caBundle where it differs; nothing else of the configuration is touched."""
        configuration = await self.cluster.call("GET", _CONFIGURATION)
        wanted = base64.b64encode(ca_bundle).decode()
        stale = [
            {"name": hook["name"], "clientConfig": {"caBundle": wanted}}
            for hook in configuration.get("webhooks") or ()
            if hook["clientConfig"].get("caBundle") != wanted
        ]
        if stale:
            await self.cluster.call("PATCH", _CONFIGURATION, {"webhooks": stale}, content_type=_BY_NAME)


def serving_context() -> ssl.SSLContext:
    """For a server whose certificate is loaded later, and again whenever it is renewed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def load(context: ssl.SSLContext, material: Material) -> None:
    """Serve this from the next handshake on.

    OpenSSL reads files only; these are in memory (memfd_create(2)), so the key never is on a disk.
    """
    descriptor = os.memfd_create("webhook-certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, material.certificate + material.key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
