"""kopf's login: the same credentials that writes use, read anew before a token expires."""

from __future__ import annotations

from typing import Any

import kopf

from orlop_operator.credentials import connection


@kopf.on.login()
async def login(*, settings: kopf.OperatorSettings, **_: Any) -> kopf.ConnectionInfo:
    return connection(settings)
