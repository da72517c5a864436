"""The admission webhook's server, as `settings.admission.server` wants one.

    settings.admission.server = webhook = Webhook(cluster)     # and import orlop_operator.handlers.admission

Every replica serves, leading or not. `webhook.ready` is the answer to the pod's readiness probe (GET /readyz on
port 8080 in manifests/base/operator.yaml): only ready pods are behind the Service that API servers call.

kopf's own server stops listening to take over a renewed certificate, and closes idle connections sooner than
API servers do, which costs a create now and then; this one does neither.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiohttp import web
from kopf import WebhookClientConfig, WebhookFn

from orlop_operator.errors import ApiError, NotFoundError
from orlop_operator.secret_keeper import Calls
from orlop_operator.webhook_trust import HOST, Trust, serving_context

PORT = 9443
_CHECK_SECONDS = 30.0
_RETRY_SECONDS = 1.0
_LARGEST = 8 * 2**20
"""Bytes of a review: the old and the new object, each at most what etcd takes (1.5 MiB), and room."""
_IDLE_SECONDS = 600.0
"""Longer than an API server keeps an idle connection (90 s), lest both ends use and close it at once."""

log = structlog.get_logger(__name__)


class Webhook:
    """Serves admission reviews; `ready` once API servers trust it."""

    def __init__(self, cluster: Calls, *, address: str | None = None, port: int = PORT) -> None:
        self._trust = Trust(cluster, serving_context())
        self._address = address
        self._port = port
        self._listening = False

    @property
    def ready(self) -> bool:
        """Listens, and with a certificate that the webhook configuration's caBundle covers."""
        return self._listening and self._trust.established

    async def __call__(self, review: WebhookFn) -> AsyncIterator[WebhookClientConfig]:
        """Kopf calls this once; the configuration that it yields is not used, ours is static."""
        while not self._trust.established:
            if not await self._check():
                await asyncio.sleep(_RETRY_SECONDS)
        async with self._served(review):
            yield WebhookClientConfig(url=f"https://{HOST}")
            while True:
                await asyncio.sleep(_CHECK_SECONDS)
                await self._check()

    async def _check(self) -> bool:
        try:
            await self._trust.check()
        except ApiError as reason:
            # Without a configuration nobody calls; in any other case what is served stays good for weeks.
            if isinstance(reason, NotFoundError):
                self._trust.established = False
            log.warning("webhook certificate not checked", reason=str(reason))
        return self._trust.established

    @asynccontextmanager
    async def _served(self, review: WebhookFn) -> AsyncIterator[None]:
        async def answer(request: web.Request) -> web.Response:
            return await _answer(review, request)

        application = web.Application(client_max_size=_LARGEST)
        application.router.add_post("/{hook}", answer)
        runner = web.AppRunner(application, handle_signals=False, keepalive_timeout=_IDLE_SECONDS)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self._address, self._port, ssl_context=self._trust.context)
            await site.start()
            self._listening = True
            log.info("webhook listens", port=self._port)
            yield
        finally:
            self._listening = False
            await runner.cleanup()


async def _answer(review: WebhookFn, request: web.Request) -> web.Response:
    """One AdmissionReview. What cannot be understood is answered with 400, which the failure policy judges."""
    try:
        body: dict[str, Any] = json.loads(await request.read())
        response = await review(body)  # type: ignore[arg-type] # kopf checks what it needs of it
    except (ValueError, KeyError, TypeError) as reason:
        log.warning("bad admission review", reason=repr(reason))
        raise web.HTTPBadRequest(text=f"not an AdmissionReview: {reason}") from reason
    return web.json_response(response)
