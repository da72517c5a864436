"""SecurityGroups, and Ports that are in them, as the API server has them."""

from collections.abc import Sequence

from orlop_api.assignment import AssignedNic
from orlop_api.port import Port
from orlop_api.security_group import SecurityGroup
from support.fakenode import FakeNode, nic

EVERYBODY = {"cidr": "0.0.0.0/0"}
HOME = "demo"
Rule = dict[str, object]


def group(name: str, *, ingress: Sequence[Rule] = (), egress: Sequence[Rule] = (EVERYBODY,)) -> SecurityGroup:
    """One with the uid `uid-<name>`; all may go out where nothing is said."""
    meta = {"name": name, "namespace": HOME, "uid": f"uid-{name}"}
    return SecurityGroup.model_validate(
        {"metadata": meta, "spec": {"ingress": [*ingress], "egress": [*egress]}}
    )


def by_uid(*groups: SecurityGroup) -> dict[str, SecurityGroup]:
    return {found.metadata.uid: found for found in groups}


def guarded(address: str, *names: str, segment_id: int = 4097) -> AssignedNic:
    """A NIC that was ordered in these groups."""
    security = {"namespace": HOME, "groups": [f"uid-{name}" for name in names]}
    return nic(segment_id, address, security=security)


def port(of: AssignedNic, node: FakeNode, *names: str) -> Port:
    """Its Port, in these groups by now."""
    binding = {
        "instanceName": "web", "instanceUID": "uid", "nodeName": "node", "hostAddress": node.address,
    }  # fmt: skip
    status = {
        "networkUID": of.network_uid, "segmentID": of.segment_id, "macAddress": of.mac_address,
        "addresses": [*of.addresses, *([of.ipv6.address] if of.ipv6 else [])],
        "securityGroups": [f"uid-{name}" for name in names], "binding": binding,
    }  # fmt: skip
    return Port.model_validate(
        {
            "metadata": {"name": of.port_name, "namespace": HOME},
            "spec": {"networkRef": {"name": "blue"}},
            "status": status,
        }
    )
