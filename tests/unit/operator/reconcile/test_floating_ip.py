"""FloatingIPs: an address, one Port each, and what is said when something is in the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from orlop_api.claim import CLAIM_NAMESPACE, Claim, address_claim, floating_claim
from orlop_api.floating_ip import FloatingIP
from orlop_api.hypervisor import Hypervisor
from orlop_api.instance import FINALIZER
from orlop_api.network import Network
from orlop_operator.kinds import OwnedPort
from orlop_operator.reconcile.effects import (
    Create,
    Delete,
    DropFinalizer,
    Effect,
    InOrder,
    Patch,
    Plan,
    Report,
)
from orlop_operator.reconcile.floating_ip import FloatingFacts, plan_floating_ip
from orlop_operator.reconcile.holding import Taken

NOW = datetime(2030, 1, 2, tzinfo=UTC)
READY = [
    {"type": "Ready", "status": "True", "reason": "External", "lastTransitionTime": "2030-01-01T00:00:00Z"}
]
POOLS = [{"start": "192.0.2.64", "end": "192.0.2.65"}]


def external(**spec: Any) -> Network:
    segment = {"type": "Flat", "physicalNetwork": "public"}
    subnets = [{"name": "v4", "cidr": "192.0.2.0/24", "pools": POOLS}]
    return Network.model_validate(
        {
            "metadata": {"namespace": "lab", "name": "public", "uid": "out"},
            "spec": {"segment": segment, "subnets": subnets} | spec,
            "status": {"conditions": READY},
        }
    )


def inside(cidr: str = "10.10.0.0/24", egress: str = "NAT", **segment: object) -> Network:
    return Network.model_validate(
        {
            "metadata": {"namespace": "demo", "name": "blue", "uid": "in"},
            "spec": {"subnets": [{"name": "v4", "cidr": cidr}], "egress": egress, "segment": segment},
        }
    )


def port(node: str | None = "node-1") -> OwnedPort:
    binding = {"instanceName": "web", "instanceUID": "i", "nodeName": node, "hostAddress": "198.18.0.2"}
    return OwnedPort.model_validate(
        {
            "metadata": {"namespace": "demo", "name": "web", "uid": "port"},
            "spec": {"networkRef": {"name": "blue"}},
            "status": {
                "networkUID": "in",
                "segmentID": 4097,
                "macAddress": "02:00:10:01:00:14",
                "addresses": ["10.10.0.20"],
            }
            | ({"binding": binding} if node else {}),
        }
    )


def node(*physical: str) -> Hypervisor:
    return Hypervisor.model_validate(
        {"metadata": {"name": "node-1"}, "status": {"physicalNetworks": list(physical)}}
    )


def floating(**spec: Any) -> FloatingIP:
    return FloatingIP.model_validate(
        {
            "metadata": {
                "namespace": "demo", "name": "mine", "uid": "fip", "generation": 3, "finalizers": [FINALIZER],
            },
            "spec": {"networkRef": {"name": "public", "namespace": "lab"}, "portRef": {"name": "web"}} | spec,
        }
    )  # fmt: skip


def claim(name: str, kind: str, value: str, uid: str = "fip", holder: str = "mine") -> Claim:
    return Claim.model_validate(
        {
            "metadata": {"name": name, "namespace": CLAIM_NAMESPACE},
            "spec": {
                "type": kind,
                "value": value,
                "networkUID": "out",
                "holder": {"kind": "FloatingIP", "namespace": "demo", "name": holder, "uid": uid},
            },
        }
    )


ADDRESS = claim(address_claim("out", "192.0.2.64"), "Address", "192.0.2.64")
LED = claim(floating_claim("port"), "Floating", "port")


def holding(*claims: Claim, **change: Any) -> FloatingFacts:
    held = {each.metadata.name: each for each in claims}
    facts = FloatingFacts(
        floating(),
        NOW,
        external(),
        Taken(held),
        held,
        port(),
        inside(),
        held.get(floating_claim("port")),
        node("public"),
    )
    return replace(facts, **change)


def said(plan: Plan) -> dict[str, Any]:
    effects: list[Effect] = []
    for effect in plan.effects:
        effects += effect.effects if isinstance(effect, InOrder) else [effect]
    (report,) = [effect for effect in effects if isinstance(effect, Report)]
    return report.status


def reason(plan: Plan) -> tuple[str, str]:
    ready = said(plan)["conditions"][0]
    return ready["reason"], ready["message"]


def test_the_address_is_claimed_first_then_the_port_then_it_is_said() -> None:
    (first,) = plan_floating_ip(holding()).effects
    assert isinstance(first, Create)
    assert first.body["metadata"]["name"] == "out-192.0.2.64"
    assert first.body["spec"]["holder"] == {
        "kind": "FloatingIP", "namespace": "demo", "name": "mine", "uid": "fip",
    }  # fmt: skip
    (second,) = plan_floating_ip(holding(ADDRESS)).effects
    assert isinstance(second, Create)
    assert second.body["metadata"]["name"] == "floating-port"
    status = said(plan_floating_ip(holding(ADDRESS, LED)))
    assert status["address"] == "192.0.2.64"
    assert status["physicalNetwork"] == "public"
    assert status["nodeName"] == "node-1"
    assert status["target"] == {
        "name": "web", "uid": "port", "networkUID": "in", "segmentID": 4097, "address": "10.10.0.20",
    }  # fmt: skip
    assert status["conditions"][0]["message"] == "192.0.2.64 leads to Port web (10.10.0.20) on node-1"


def test_what_is_said_already_is_not_said_again() -> None:
    facts = holding(ADDRESS, LED)
    known = facts.floating.wire() | {"status": said(plan_floating_ip(facts))}
    assert plan_floating_ip(replace(facts, floating=FloatingIP.model_validate(known))) == Plan()


def test_without_a_port_it_is_reserved_and_without_an_instance_led_nowhere_yet() -> None:
    reserved = holding(ADDRESS, floating=floating(portRef=None), port=None, inside=None)
    assert reason(plan_floating_ip(reserved)) == ("Reserved", "192.0.2.64 is reserved")
    idle = said(plan_floating_ip(holding(ADDRESS, LED, port=port(None), node=None)))
    assert "nodeName" not in idle
    assert idle["target"]["address"] == "10.10.0.20"


def test_a_port_that_it_leaves_is_said_first_and_given_up_then() -> None:
    old = claim(floating_claim("other"), "Floating", "other")
    (order,) = plan_floating_ip(holding(ADDRESS, LED, old)).effects
    assert isinstance(order, InOrder)
    report, gone = order.effects
    assert isinstance(report, Report)
    assert gone == Delete(gone.kind, old) if isinstance(gone, Delete) else False


ON_PHYSICAL = (
    "Network demo/blue of Port demo/web has segment.type Bridge: machines there reach its Ports by their own addresses;"
    " FloatingIPs lead to Ports of Overlay Networks"
)
OVERLAP = (
    "Network demo/blue (192.0.2.0/25) overlaps the external subnet 192.0.2.0/24:"
    " its guests could not tell who is outside"
)
MISSING = (
    "node-1 has no physical network public: its agent finds no interface of that name in"
    " node.physicalNetworks of orlop-config"
)
THEIRS = claim(floating_claim("port"), "Floating", "port", "else", "theirs")


@pytest.mark.parametrize(
    ("facts", "expected", "words"),
    [
        (holding(network=None), "NetworkNotFound", "Network lab/public does not exist"),
        (
            holding(network=inside()),
            "NetworkNotExternal",
            "Network lab/public is not external: FloatingIPs are of Networks with segment.type Flat",
        ),
        (
            holding(floating=floating(address="192.0.2.1")),
            "AddressInvalid",
            "Network lab/public: 192.0.2.1 is not in its pools (192.0.2.64 to 192.0.2.65)",
        ),
        (holding(ADDRESS, port=None), "PortNotFound", "Port demo/web does not exist"),
        (holding(ADDRESS, inside=None), "PortNotReady", "Port demo/web is not ready"),
        (
            holding(ADDRESS, inside=inside(egress="None")),
            "EgressDisabled",
            "Network demo/blue of Port demo/web has egress None: a floating address needs egress NAT",
        ),
        (
            holding(ADDRESS, inside=inside(egress="None", type="Bridge", physicalNetwork="lab")),
            "NetworkOnPhysical",
            ON_PHYSICAL,
        ),
        (
            holding(ADDRESS, inside=inside("192.0.2.0/25")),
            "SubnetsOverlap",
            OVERLAP,
        ),
        (
            holding(ADDRESS, port_claim=THEIRS),
            "PortInUse",
            "Port demo/web has FloatingIP demo/theirs: a Port has one FloatingIP at a time",
        ),
        (
            holding(ADDRESS, LED, node=node("private")),
            "PhysicalNetworkMissing",
            MISSING,
        ),
    ],
)
def test_what_is_in_the_way_is_said(facts: FloatingFacts, expected: str, words: str) -> None:
    assert reason(plan_floating_ip(facts)) == (expected, words)


def test_all_addresses_of_the_pools_and_no_more() -> None:
    taken = {
        name: claim(name, "Address", address, "x", "x")
        for address in ("192.0.2.64", "192.0.2.65")
        for name in [address_claim("out", address)]
    }
    assert reason(plan_floating_ip(holding(taken=Taken(taken))))[0] == "NoFreeAddress"


def test_it_ends_by_saying_so_giving_back_and_letting_go() -> None:
    going = FloatingIP.model_validate(
        floating().wire()
        | {"metadata": floating().metadata.wire() | {"deletionTimestamp": "2030-01-02T00:00:00Z"}}
    )
    (order,) = plan_floating_ip(holding(ADDRESS, LED, floating=going)).effects
    assert isinstance(order, InOrder)
    report, *rest = order.effects
    assert isinstance(report, Report)
    assert "target" not in report.status
    assert [type(effect) for effect in rest] == [Patch, Delete], "the address rests, the Port is free at once"
    assert [type(e) for e in plan_floating_ip(holding(floating=going)).effects] == [DropFinalizer]
