"""What leads to and from a Network's Ports: its Router, and floating addresses. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from orlop_api.condition import Condition, find
from orlop_api.floating_ip import FloatingIP
from orlop_api.network import Network
from orlop_api.resource import ObjectRef
from orlop_api.router import JoinedNetwork, Router, RouterStatus

UNKNOWN = "Unknown"


@dataclass(frozen=True)
class ForwardPicture:
    """One port that a floating address lets in, and the guest's that it leads to."""

    protocol: str
    port: int
    target: int


@dataclass(frozen=True)
class FloatingPicture:
    """An address of an external Network, and where it leads."""

    name: str
    address: str
    network: str
    """The external Network, with its namespace."""
    state: str
    message: str
    """Why it does not lead where it shall."""
    port: str
    """The Port that it is for; empty where it is only reserved."""
    target: str
    """That one's address."""
    node: str
    """Who announces it."""
    forwards: tuple[ForwardPicture, ...]
    """None: all ports are let in."""


@dataclass(frozen=True)
class JoinedPicture:
    """Another Network that guests reach by the Router."""

    name: str
    cidrs: tuple[str, ...]


@dataclass(frozen=True)
class RoutePicture:
    """A static route."""

    destination: str
    via: str


@dataclass(frozen=True)
class RouterPicture:
    """What joins the Network with others."""

    name: str
    state: str
    message: str
    networks: tuple[JoinedPicture, ...]
    routes: tuple[RoutePicture, ...]


def routers(network: Network, known: Iterable[Router]) -> tuple[RouterPicture, ...]:
    """Those that have the Network, or name it and wait for it."""
    meta = network.metadata
    mine = [
        router
        for router in known
        if router.metadata.namespace == meta.namespace
        and (meta.name in {ref.name for ref in router.spec.networks} or _has(router, meta.uid))
    ]
    return tuple(_router(each, meta.uid) for each in sorted(mine, key=lambda each: each.metadata.name))


def of_port(namespace: str, port: str, known: Iterable[FloatingIP]) -> tuple[FloatingPicture, ...]:
    """The floating addresses that lead to a Port, or shall."""
    mine = (
        each
        for each in known
        if each.metadata.namespace == namespace
        and each.spec.port_ref is not None
        and each.spec.port_ref.name == port
    )
    return _sorted(mine)


def of_network(network: Network, known: Iterable[FloatingIP]) -> tuple[FloatingPicture, ...]:
    """The addresses of an external Network that are somebody's."""
    return _sorted(each for each in known if is_of(network, each.metadata.namespace, each.spec.network_ref))


def is_of(network: Network, namespace: str, ref: ObjectRef) -> bool:
    """Whether an object of a namespace means this Network by what it says."""
    meta = network.metadata
    return (ref.namespace or namespace, ref.name) == (meta.namespace, meta.name)


def said(conditions: Collection[Condition]) -> tuple[str, str]:
    """Ready, or the reason why not and the sentence about it."""
    ready = find(conditions, "Ready")
    if ready is None:
        return UNKNOWN, ""
    return ("Ready", "") if ready.status == "True" else (ready.reason, ready.message)


def _has(router: Router, network_uid: str) -> bool:
    status = router.status
    return status is not None and any(each.network_uid == network_uid for each in status.networks)


def _router(router: Router, network_uid: str) -> RouterPicture:
    status = router.status or RouterStatus()
    others = (each for each in status.networks if each.network_uid != network_uid)
    return RouterPicture(
        router.metadata.name,
        *_state(status),
        tuple(map(_joined, sorted(others, key=lambda each: each.name))),
        tuple(RoutePicture(route.destination, route.via) for route in status.routes),
    )


def _state(status: RouterStatus) -> tuple[str, str]:
    """As its Networks are joined; and where they are, as nodes have it."""
    ready = said(status.conditions)
    routing = find(status.conditions, "Routing")
    return (routing.reason, routing.message) if ready[0] == "Ready" and routing is not None else ready


def _joined(joined: JoinedNetwork) -> JoinedPicture:
    cidrs = (joined.cidr, joined.ipv6.cidr if joined.ipv6 is not None else None)
    return JoinedPicture(joined.name, tuple(cidr for cidr in cidrs if cidr is not None))


def _sorted(known: Iterable[FloatingIP]) -> tuple[FloatingPicture, ...]:
    return tuple(sorted(map(_floating, known), key=lambda each: (_number(each.address), each.name)))


def _number(address: str) -> tuple[int, ...]:
    """Addresses by their numbers, and nothing after them."""
    return tuple(map(int, address.split("."))) if address else (256,)


def _floating(floating: FloatingIP) -> FloatingPicture:
    meta, spec, status = floating.metadata, floating.spec, floating.status
    target = status.target if status is not None else None
    return FloatingPicture(
        meta.name,
        (status.address if status is not None else None) or "",
        f"{spec.network_ref.namespace or meta.namespace}/{spec.network_ref.name}",
        *said(status.conditions if status is not None else ()),
        spec.port_ref.name if spec.port_ref is not None else "",
        target.address if target is not None else "",
        (status.node_name if status is not None else None) or "",
        tuple(
            ForwardPicture(each.protocol.value, each.port, each.target_port or each.port)
            for each in spec.ports
        ),
    )
