"""How nodes give cached images to each other: over mutual TLS, each with a certificate of its own node."""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import Field

from orlop_api.resource import ApiModel, DnsSubdomain, Ipv4

MOST_PEERS = 3
TcpPort = Annotated[int, Field(ge=1, le=65535)]


class ImagePeer(ApiModel):
    """A node that has the image in its cache."""

    node_name: DnsSubdomain
    """Its name, which its certificate must be for."""
    address: Ipv4
    """Where it is."""
    port: TcpPort
    """Where its agent listens."""


class PeerOffer(ApiModel):
    """How this node takes part in giving images to others."""

    port: TcpPort | None = None
    """Where its agent gives them; absent while it does not."""
    certificate_request: Annotated[str, Field(max_length=2048)]
    """The key of this agent process, as a certificate request (PKCS 10, PEM)."""


class NodeCertificate(ApiModel):
    """Who this node is to other nodes: public, and good for a day."""

    certificate: Annotated[str, Field(max_length=4096)]
    """The certificate (PEM), for the key that the agent asked for."""
    ca_bundle: Annotated[str, Field(max_length=16384)]
    """The authorities (PEM) of which one has signed any other node's."""


def common_name(node_name: str) -> str:
    """A node's name as the subject of a certificate, which holds 64 characters (RFC 5280, ub-common-name)."""
    return node_name[:64]


def server_name(node_name: str) -> str:
    """What a node's certificate is for, as a DNS name; a node's own name may be long, or look like an address."""
    return f"{hashlib.sha256(node_name.encode()).hexdigest()[:63]}.node.orlop.dev"
