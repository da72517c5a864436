"""Routers as the API server has them, and Networks that they join."""

from collections.abc import Collection, Mapping
from ipaddress import IPv6Network
from typing import Any

from orlop_api.address6 import eui64
from orlop_api.assignment import AssignedNic
from orlop_api.port import Port
from orlop_api.router import Router
from support.fakenode import FakeNode, nic

HOME = "demo"
PREFIXES = {4097: "fd00:10::/64", 4098: "fd00:20::/64", 4099: "fd00:30::/64"}
NETWORKS = {4097: "10.10.0.0/24", 4098: "10.20.0.0/24", 4099: "10.30.0.0/24"}


def gateway(segment_id: int) -> str:
    return NETWORKS[segment_id].replace(".0/24", ".1")


def on(segment_id: int, low: int, /, **fields: object) -> AssignedNic:
    """A NIC on one of these Networks."""
    address = NETWORKS[segment_id].replace(".0/24", f".{low}")
    usual = {"cidr": NETWORKS[segment_id], "gateway": gateway(segment_id), "network_namespace": HOME}
    return nic(segment_id, address, **(usual | fields))


def gateway6(segment_id: int) -> str:
    return PREFIXES[segment_id].replace("::/64", "::1")


def dual(segment_id: int, low: int, /, mode: str = "SLAAC", **fields: object) -> AssignedNic:
    """A NIC on one of these Networks, with its second subnet."""
    prefix = IPv6Network(PREFIXES[segment_id])
    made = eui64(prefix, on(segment_id, low).mac_address)
    address = str(made if mode == "SLAAC" else prefix[low])
    ipv6 = {"address": address, "cidr": str(prefix), "gateway": gateway6(segment_id), "mode": mode}
    return on(segment_id, low, ipv6=ipv6, **fields)


def router(
    *segments: int,
    name: str = "vpc",
    routes: Mapping[str, str] | None = None,
    with6: Collection[int] = (),
    mtus: Mapping[int, int] | None = None,
) -> Router:
    """One that has joined these; those of `with6` have a second subnet."""
    networks: list[dict[str, Any]] = [
        {"name": f"net-{segment}", "networkUID": f"net-{segment}", "segmentID": segment,
         "cidr": NETWORKS[segment], "gateway": gateway(segment), "mtu": (mtus or {}).get(segment, 1450)}
        for segment in segments
    ]  # fmt: skip
    for each in networks:
        segment = each["segmentID"]
        if segment in with6:
            each["ipv6"] = {"cidr": PREFIXES[segment], "gateway": gateway6(segment)}
    static = [{"destination": where, "via": via} for where, via in (routes or {}).items()]
    return Router.model_validate(
        {
            "metadata": {"name": name, "namespace": HOME, "uid": f"uid-{name}"},
            "spec": {"networks": [{"name": each["name"]} for each in networks] or [{"name": "none"}]},
            "status": {"networks": networks, "routes": static},
        }
    )


def port(of: AssignedNic, node: FakeNode, *groups: str) -> Port:
    """The Port of a NIC on a node."""
    binding = {
        "instanceName": "web", "instanceUID": "uid", "nodeName": "node", "hostAddress": node.address,
    }  # fmt: skip
    addresses = [*of.addresses, *([of.ipv6.address] if of.ipv6 else [])]
    status = {
        "networkUID": of.network_uid, "segmentID": of.segment_id, "macAddress": of.mac_address,
        "addresses": addresses, "securityGroups": [f"uid-{name}" for name in groups], "binding": binding,
    }  # fmt: skip
    return Port.model_validate(
        {
            "metadata": {"name": of.port_name, "namespace": HOME},
            "spec": {"networkRef": {"name": of.network_uid}},
            "status": status,
        }
    )
