"""Networks on a physical one: whose the VLAN is, which MTU holds, what a node must have. Pure."""

from datetime import UTC, datetime

import pytest

from orlop_api.claim import Claim
from orlop_api.network import Network
from orlop_operator.kinds import CLAIM
from orlop_operator.reconcile import lan
from orlop_operator.reconcile.effects import Create, Report
from orlop_operator.reconcile.network import NetworkFacts, plan_network
from orlop_operator.scheduling import Host, Physical, PhysicalNeed, Request, Unplaceable, Usage, World, place

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROOM = Usage(8, 8, 8)
TRUNK = {"type": "VLAN", "physicalNetwork": "trunk", "vlanID": 100}
LAB = {"type": "Bridge", "physicalNetwork": "lab", "nodeSelector": {"rack": "a"}}


def network(segment=TRUNK, mtu=None, status=None, name="blue"):
    spec = {
        "segment": segment,
        "egress": "None",
        "subnets": [{"name": "v4", "cidr": "10.10.0.0/24"}],
        "mtu": mtu,
    }
    meta = {"namespace": "demo", "name": name, "uid": f"uid-{name}", "generation": 1}
    return Network.model_validate({"metadata": meta, "spec": spec, "status": status})


def claim(kind, value, name, holder="blue", namespace="demo"):
    whose = {"kind": "Network", "namespace": namespace, "name": holder, "uid": f"uid-{holder}"}
    spec = {"type": kind, "value": value, "networkUID": f"uid-{holder}", "holder": whose}
    return Claim.model_validate({"metadata": {"name": name, "namespace": "orlop-system"}, "spec": spec})


SEGMENT = claim("Segment", "4097", "vni-4097")
MINE = claim("LAN", "trunk/100", "lan-trunk-100")


def said(facts):
    (effect,) = plan_network(facts).effects
    assert isinstance(effect, Report)
    ready = next(each for each in effect.status["conditions"] if each["type"] == "Ready")
    return effect.status, (ready["status"], ready["reason"], ready["message"])


def test_the_vlan_is_claimed_before_anything_else():
    (effect,) = plan_network(NetworkFacts(network(), NOW)).effects
    assert isinstance(effect, Create)
    assert effect.kind is CLAIM
    assert effect.body["metadata"]["name"] == "lan-trunk-100"
    assert effect.body["spec"]["value"] == "trunk/100"
    assert effect.body["spec"]["holder"]["kind"] == "Network"
    (effect,) = plan_network(NetworkFacts(network(LAB), NOW)).effects
    assert effect.body["metadata"]["name"] == "lan-lab-untagged"
    (effect,) = plan_network(NetworkFacts(network(), NOW, lan=MINE)).effects
    assert effect.body["spec"]["type"] == "Segment"


@pytest.mark.parametrize(("namespace", "who"), [("demo", "Network demo/red"), ("other", "another Network")])
def test_a_vlan_has_one_network(namespace, who):
    theirs = claim("LAN", "trunk/100", "lan-trunk-100", "red", namespace)
    status, ready = said(NetworkFacts(network(), NOW, lan=theirs))
    message = f"VLAN 100 of physical network trunk is {who}'s until that is deleted; take another vlanID"
    assert ready == ("False", "VLANInUse", message)
    assert "segmentID" not in status


def test_the_mtu_is_what_all_nodes_that_can_have_its_guests_can_do():
    nodes = [
        Host("a", physical={"trunk": Physical(9000), "lab": Physical(1300)}),
        Host("b", physical={"trunk": Physical(1500), "lab": Physical(1450, True)}),
        Host("c", labels={"rack": "a"}, physical={"lab": Physical(1600, True)}),
        Host("d"),
    ]

    def facts(found, *ports):
        held = (
            claim("LAN", "lab/untagged", "lan-lab-untagged") if found.spec.segment.vlan_id is None else MINE
        )
        return NetworkFacts(found, NOW, {"vni-4097": SEGMENT}, lan=held, hosts=nodes, ports=ports)

    trunk = "VLAN 100 of physical network trunk, MTU"
    status, ready = said(facts(network()))
    assert (status["mtu"], status["segmentID"]) == (1500, 4097)
    assert ready == ("True", "Allocated", f"{trunk} 1500; its guests can be on a, b")
    status, ready = said(facts(network(mtu=9000)))
    assert status["mtu"] == 9000
    lower = "1 have an interface on physical network trunk with an MTU of 1500, below 9000 (b)"
    assert ready[2] == f"{trunk} 9000; its guests can be on a; {lower}"
    # What guests were told stays; while there are none, nodes that came later count.
    assert said(facts(network(status={"mtu": 1400}), "port"))[0]["mtu"] == 1400
    assert said(facts(network(status={"mtu": 1400})))[0]["mtu"] == 1500
    # Only nodes that can have its guests count.
    status, ready = said(facts(network(LAB)))
    assert status["mtu"] == 1600
    assert ready[2] == (
        "what is untagged of physical network lab, MTU 1600; its guests can be on c;"
        " 2 lack rack=a, which segment.nodeSelector of a Network on lab asks for (a, b)"
    )
    elsewhere = said(facts(network({**LAB, "nodeSelector": {"rack": "b"}})))[1][2]
    assert elsewhere.startswith(
        "what is untagged of physical network lab, MTU 1500; no node can have its guests; 3"
    )
    nowhere = network({**TRUNK, "physicalNetwork": "far"})
    missing = "no node has it yet: its name in node.physicalNetworks of orlop-config leads to no interface"
    assert said(facts(nowhere))[1][2] == f"VLAN 100 of physical network far, MTU 1500; {missing}"


def test_what_a_node_must_have():
    assert lan.need(network({"type": "Overlay"})) is None
    assert lan.need(network(status={"mtu": 1400})) == PhysicalNeed("trunk", 1400)
    assert lan.need(network(LAB)) == PhysicalNeed("lab", 1500, True, (("rack", "a"),))


def test_who_is_refused_is_named_with_what_it_lacks():
    hosts = [
        Host("a", ROOM, physical={"lab": Physical(1500, True)}),
        Host("b", ROOM, labels={"rack": "a"}),
        Host("c", ROOM, labels={"rack": "a"}, physical={"lab": Physical(1500)}),
        Host("d", ROOM, labels={"rack": "a"}, physical={"lab": Physical(1400, True)}),
        Host("e", ROOM, labels={"rack": "a"}),
    ]
    need = PhysicalNeed("lab", 1500, True, (("rack", "a"),))
    request = Request(1, 1, 1, physical=(need,))
    answer = place(request, World(hosts))
    assert isinstance(answer, Unplaceable)
    assert answer.message == (
        "0/5 hypervisors: 2 have no interface on physical network lab (b, e; a, c, d have one),"
        " 1 lack rack=a, which segment.nodeSelector of a Network on lab asks for (a),"
        " 1 have an interface on physical network lab that is no bridge (c),"
        " 1 have an interface on physical network lab with an MTU of 1400, below 1500 (d)"
    )
    (nobody,) = place(request, World(hosts[1:2])).rejections
    assert str(nobody) == "1 have no interface on physical network lab (b; no node has one)"
    fits = Host("f", ROOM, labels={"rack": "a"}, physical={"lab": Physical(9000, True)})
    assert place(request, World([*hosts, fits])).node == "f"
