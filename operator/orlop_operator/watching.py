"""kopf, set up to watch and nothing else: it feeds the store, serves the webhook, and never writes.

The settings are those that keep it alive through an outage of the API server: with the default, finite
back-offs it ends itself after a minute of 5xx answers.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import kopf

SERVER_TIMEOUT = 600
"""Seconds after which the API server is asked to end a watch, so that it moves to another server."""
INACTIVITY_TIMEOUT = 70.0
"""Seconds without even a bookmark (one a minute) after which a watch counts as dead."""
LEASES_WATCHED = "metadata.namespace!=kube-node-lease,metadata.namespace!=kube-system"
"""The nodes' and our own; the kubelets' would be an event every few seconds for each node."""


class Forever:
    """Back-offs without an end: iterable again and again, growing, jittered."""

    def __iter__(self) -> Iterator[float]:
        delay = 0.5
        while True:
            yield delay * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
            delay = min(delay * 2, 20.0)


def watch_settings() -> kopf.OperatorSettings:
    """Settings of a kopf that only watches."""
    settings = kopf.OperatorSettings()
    settings.networking.error_backoffs = Forever()
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = SERVER_TIMEOUT
    settings.watching.reconnect_backoff = 1.0
    settings.watching.inactivity_timeout = INACTIVITY_TIMEOUT
    settings.watching.field_selectors["leases"] = LEASES_WATCHED
    settings.queueing.idle_timeout = 1.0
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = 15
    return settings
