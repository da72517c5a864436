"""The Secrets in a node's own namespace. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from orlop_operator.reconcile.instance.facts import Blocker

Secrets = Mapping[tuple[str, str], Blocker | None]
"""Namespace and name of what was put where a node reads it, and why it could not be."""


def secrets_path(namespace: str) -> str:
    """Where all Secrets of a node are."""
    return f"/api/v1/namespaces/{namespace}/secrets"


def secret_path(namespace: str, name: str) -> str:
    """Where one of them is."""
    return f"{secrets_path(namespace)}/{name}"
