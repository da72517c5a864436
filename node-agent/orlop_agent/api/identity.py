"""Who the agent is to the API server.

In the cluster: the DaemonSet's account may do one thing, to mint tokens of its own node's account in
`orlop-nodes` (TokenRequest, bound to the Node object: the token dies with it). That account does the work.
Stand-alone (KUBECONFIG): the user of the kubeconfig's current context.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from orlop_agent.api import backoff
from orlop_agent.api.errors import ApiError
from orlop_agent.api.http import Http
from orlop_api.hypervisor import NODE_ACCOUNTS_NAMESPACE

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_LIFETIME = 3600
_REFRESH_AT = 0.8


class Identity(Protocol):
    """Gives the token for the next request."""

    async def token(self) -> str | None:
        """The bearer token; None where the connection's certificate says who it is."""

    def reject(self) -> None:
        """The API server does not know the last token: get another one."""


@dataclass(frozen=True, slots=True)
class FixedIdentity:
    """One token for ever, or none."""

    bearer: str | None

    async def token(self) -> str | None:
        return self.bearer

    def reject(self) -> None:
        """There is no other."""


@dataclass(frozen=True, slots=True)
class NodeClaim:
    """The Node that a pod's token was made for."""

    name: str
    uid: str


def node_claim(token: str) -> NodeClaim:
    """Read the node out of a service-account token (claim kubernetes.io.node); ValueError if it has none.

    The signature is the API server's business: it checks the token when it is used.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        node = claims["kubernetes.io"]["node"]
        return NodeClaim(node["name"], node["uid"])
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError("the pod's token names no node: Kubernetes 1.33 or later is needed") from error


class NodeIdentity:
    """The node's own account, by tokens that are minted and renewed with the pod's token."""

    def __init__(self, http: Http, pod_token: Path) -> None:
        self._http = http
        self._pod_token = pod_token
        self._token: str | None = None
        self._refresh_at = 0.0
        self._expires_at = 0.0
        self._minting = asyncio.Lock()

    async def token(self) -> str:
        """A token with time left.

        Waits, however long, while the node has no account yet: the operator makes it. Once there is a
        token, a failed renewal is no reason to stop before it expires.
        """
        if self._token is None or time.monotonic() >= self._refresh_at:
            async with self._minting:
                if self._token is None or time.monotonic() >= self._refresh_at:
                    await self._mint()
        if self._token is None:
            raise AssertionError
        return self._token

    def reject(self) -> None:
        self._token = None

    async def _mint(self) -> None:
        for delay in backoff.delays():
            try:
                return await self._mint_once()
            except ApiError:
                if self._token is not None and time.monotonic() < self._expires_at:
                    self._refresh_at = time.monotonic() + delay
                    return None
                await asyncio.sleep(delay)
        return None

    async def _asks(self) -> tuple[str, NodeClaim]:
        """The token that asks, and the node that it asks for."""
        # The kubelet replaces the pod's token every hour or so: read it each time.
        pod_token = (await asyncio.to_thread(self._pod_token.read_text)).strip()
        return pod_token, node_claim(pod_token)

    async def _mint_once(self) -> None:
        pod_token, node = await self._asks()
        path = f"/api/v1/namespaces/{NODE_ACCOUNTS_NAMESPACE}/serviceaccounts/{node.name}/token"
        asked = time.monotonic()
        answer = await self._http.call(
            "POST",
            path,
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenRequest",
                "spec": {
                    "expirationSeconds": _LIFETIME,
                    "boundObjectRef": {
                        "apiVersion": "v1",
                        "kind": "Node",
                        "name": node.name,
                        "uid": node.uid,
                    },
                },
            },
            token=pod_token,
        )
        self._token = str(answer["status"]["token"])
        self._refresh_at = asked + _REFRESH_AT * _LIFETIME
        self._expires_at = asked + _LIFETIME


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the API server is, and how its certificate is checked."""

    server: str
    tls: ssl.SSLContext | None


def in_cluster(host: str, port: str, account: Path = SERVICE_ACCOUNT) -> Endpoint:
    """The API server as every pod finds it."""
    bracketed = f"[{host}]" if ":" in host else host
    return Endpoint(f"https://{bracketed}:{port}", ssl.create_default_context(cafile=account / "ca.crt"))


def from_kubeconfig(path: Path) -> tuple[Endpoint, FixedIdentity]:
    """The current context: a token, or a client certificate, given inline or as a file."""
    config = yaml.safe_load(path.read_text())
    context = _named(config["contexts"], config["current-context"])["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    user = _named(config["users"], context["user"])["user"]
    if not cluster["server"].startswith("https:"):
        return Endpoint(cluster["server"], None), FixedIdentity(user.get("token"))
    tls = ssl.create_default_context(
        cafile=cluster.get("certificate-authority"), cadata=_decoded(cluster, "certificate-authority-data")
    )
    if "client-certificate" in user:
        tls.load_cert_chain(user["client-certificate"], user["client-key"])
    elif "client-certificate-data" in user:
        _load_inline(tls, user)
    return Endpoint(cluster["server"], tls), FixedIdentity(user.get("token"))


def _load_inline(tls: ssl.SSLContext, user: dict[str, str]) -> None:
    """Python loads key pairs from files only: a file in memory serves (memfd_create(2))."""
    descriptor = os.memfd_create("kubeconfig", os.MFD_CLOEXEC)
    try:
        for key in ("client-certificate-data", "client-key-data"):
            os.write(descriptor, (_decoded(user, key) or "").encode() + b"\n")
        tls.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _decoded(section: dict[str, str], key: str) -> str | None:
    return base64.b64decode(section[key]).decode() if key in section else None


def _named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in items if item["name"] == name)
    return found
