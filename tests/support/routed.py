"""Routers as the API server has them, and Networks that they join."""

from collections.abc import Mapping

from orlop_api.assignment import AssignedNic
from orlop_api.port import Port
from orlop_api.router import Router
from support.fakenode import FakeNode, nic

HOME = "demo"
NETWORKS = {4097: "10.10.0.0/24", 4098: "10.20.0.0/24", 4099: "10.30.0.0/24"}


def gateway(segment_id: int) -> str:
    return NETWORKS[segment_id].replace(".0/24", ".1")


def on(segment_id: int, low: int, /, **fields: object) -> AssignedNic:
    """A NIC on one of these Networks."""
    address = NETWORKS[segment_id].replace(".0/24", f".{low}")
    usual = {"cidr": NETWORKS[segment_id], "gateway": gateway(segment_id), "network_namespace": HOME}
    return nic(segment_id, address, **(usual | fields))


def router(*segments: int, name: str = "vpc", routes: Mapping[str, str] | None = None) -> Router:
    """One that has joined these."""
    networks = [
        {"name": f"net-{segment}", "networkUID": f"net-{segment}", "segmentID": segment,
         "cidr": NETWORKS[segment], "gateway": gateway(segment), "mtu": 1450}
        for segment in segments
    ]  # fmt: skip
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
    status = {
        "networkUID": of.network_uid, "segmentID": of.segment_id, "macAddress": of.mac_address,
        "addresses": of.addresses, "securityGroups": [f"uid-{name}" for name in groups], "binding": binding,
    }  # fmt: skip
    return Port.model_validate(
        {
            "metadata": {"name": of.port_name, "namespace": HOME},
            "spec": {"networkRef": {"name": of.network_uid}},
            "status": status,
        }
    )
