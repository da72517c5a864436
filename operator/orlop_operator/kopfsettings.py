"""kopf, set up to serve the webhook and to take signals, and nothing else: it never watches or writes.

The settings are those that keep it alive through an outage of the API server: with the default, finite
back-offs it ends itself after a minute of 5xx answers.
"""

from __future__ import annotations

from collections.abc import Iterator

import kopf

from orlop_operator.listwatch import waits


class Forever:
    """Back-offs without an end: iterable again and again."""

    def __iter__(self) -> Iterator[float]:
        return waits()


def kopf_settings() -> kopf.OperatorSettings:
    """Settings of such a kopf."""
    settings = kopf.OperatorSettings()
    settings.networking.error_backoffs = Forever()
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 5
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.process.ultimate_exiting_timeout = 15
    return settings
