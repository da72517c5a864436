"""Who the operator is to the API server: a pod's service account, or a kubeconfig.

kopf's own readers of both files are used, so that watches and writes never differ in it. The token of a
service account is a projected file that the kubelet replaces; it is read again every few minutes.
"""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import kopf

TOKEN_LIFE = timedelta(minutes=5)
"""How long a token that was read is used; the kubelet replaces it long before it expires."""


def connection(settings: kopf.OperatorSettings) -> kopf.ConnectionInfo:
    """How to reach the API server, as it is now; kopf.LoginError where nothing says it."""
    found = kopf.login_with_service_account(settings=settings) or kopf.login_with_kubeconfig(
        settings=settings
    )
    if found is None:
        raise kopf.LoginError("neither a service account nor a kubeconfig (KUBECONFIG) is there")
    return dataclasses.replace(found, expiration=datetime.now(UTC) + TOKEN_LIFE)
