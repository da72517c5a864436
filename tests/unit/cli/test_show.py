"""What `orlop net show` makes of objects, to the character."""

import json
from io import StringIO

import pytest
from rich.console import Console

from orlop_api.instance import Instance
from orlop_api.network import Network
from orlop_api.port import Port
from orlop_cli.drawing import WIDE, draw
from orlop_cli.picture import picture


def condition(reason, status="True", message=""):
    return {"type": "Ready", "status": status, "reason": reason, "message": message}


def network(status=True, **subnet):
    ready = {"segmentID": 4097, "mtu": 1450, "conditions": [condition("Allocated")]}
    return Network.model_validate(
        {
            "metadata": {"namespace": "demo", "name": "blue"},
            "spec": {"subnets": [{"name": "v4", "cidr": "10.10.0.0/24", **subnet}]},
            "status": ready if status else None,
        }
    )


@pytest.mark.parametrize(
    ("segment", "words"),
    [
        ({"type": "VLAN", "physicalNetwork": "trunk", "vlanID": 100}, "VLAN 100 of trunk"),
        ({"type": "Bridge", "physicalNetwork": "lab"}, "untagged of lab"),
    ],
)
def test_a_network_on_a_physical_one_says_which(segment, words):
    there = network().wire()
    there["spec"]["segment"] = segment
    out = StringIO()
    Console(file=out, width=WIDE).print(draw(picture(Network.model_validate(there), [], [])))
    assert f"  {words}, segment 4097, MTU 1450" in out.getvalue()
    assert f"gateway 10.10.0.1 of {segment['physicalNetwork']}, DHCP Enabled" in out.getvalue()


def port(name, address="", node=None, instance="", on="blue", pairs=(), ready=None):
    status = {"macAddress": "02:00:10:01:00:14", "addresses": [address]} if address else {}
    status["conditions"] = [ready or condition("Claimed")]
    if node is not None:
        status["binding"] = {
            "instanceName": instance,
            "instanceUID": f"uid-{instance}",
            "nodeName": node,
            "hostAddress": f"192.0.2.{node[-1]}",
        }
    spec = {"networkRef": {"name": on}, "allowedAddressPairs": [{"address": each} for each in pairs]}
    return Port.model_validate(
        {"metadata": {"namespace": "demo", "name": name}, "spec": spec, "status": status}
    )


def instance(name, ready, *nics, power="Running"):
    return Instance.model_validate(
        {
            "metadata": {"namespace": "demo", "name": name, "uid": f"uid-{name}"},
            "spec": {"flavorName": "small", "boot": {"imageRef": {"name": "tiny"}}, "networks": list(nics)},
            "status": {"powerState": power, "conditions": [ready]},
        }
    )


def lines(*of):
    console = Console(file=StringIO(), width=WIDE, color_system=None, highlight=False)
    console.print(draw(picture(*of)), soft_wrap=True)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


ON_BLUE = {"name": "eth0", "networkRef": {"name": "blue"}}
OF_MINE = {"name": "front", "portRef": {"name": "mine"}}


def test_a_network_with_all_that_it_may_have():
    ports = [
        port("web-10-eth0", "10.10.0.30", "node-2", "web-10"),
        port("web-2-eth0", "10.10.0.9", "node-1", "web-2"),
        port("mine", "10.10.0.20", "node-1", "gate", pairs=["10.10.0.100", "10.99.0.0/16"]),
        port("vip", "10.10.0.100"),
        port("late", ready=condition("NoFreeAddress", "False")),
        port("of-another", "10.10.0.50", on="red"),
    ]
    instances = [
        instance("web-2", condition("Running"), ON_BLUE),
        instance("gate", condition("Stopped"), ON_BLUE, OF_MINE, power="Stopped"),
        instance("web-10", condition("NodeLost", "Unknown"), ON_BLUE),
    ]
    assert lines(network(), ports, instances) == [
        "Network demo/blue  Ready  segment 4097, MTU 1450, egress NAT",
        "├── subnet v4  10.10.0.0/24, gateway 10.10.0.1 on every node, DHCP Enabled, 249 of 253 addresses free",
        "├── node node-1  192.0.2.1",
        "│   ├── web-2   eth0   10.10.0.9   02:00:10:01:00:14  Running",
        "│   └── gate    front  10.10.0.20  02:00:10:01:00:14  Stopped  also 10.10.0.100, 10.99.0.0/16",
        "├── node node-2  192.0.2.2",
        "│   └── web-10  eth0   10.10.0.30  02:00:10:01:00:14  NodeLost",
        "└── unbound Ports",
        "    ├── vip   10.10.0.100  02:00:10:01:00:14  Ready",
        "    └── late  no address                      NoFreeAddress",
    ]


def test_an_empty_network_and_one_that_waits():
    assert lines(network(), [], []) == [
        "Network demo/blue  Ready  segment 4097, MTU 1450, egress NAT",
        "├── subnet v4  10.10.0.0/24, gateway 10.10.0.1 on every node, DHCP Enabled, 253 of 253 addresses free",
        "└── no Ports",
    ]
    assert lines(network(status=False), [], [])[0] == "Network demo/blue  Unknown  egress NAT"
    waits = network().model_dump(by_alias=True)
    waits["status"]["conditions"] = [condition("InUse", "False", "being deleted; waits for Port a")]
    assert lines(Network.model_validate(waits), [], [])[:2] == [
        "Network demo/blue  InUse  segment 4097, MTU 1450, egress NAT",
        "│   being deleted; waits for Port a".replace("│   ", ""),
    ]


def test_without_the_right_to_see_instances_the_rest_is_drawn():
    made = lines(network(), [port("web-2-eth0", "10.10.0.9", "node-1", "web-2")], [])
    assert made[-1] == "    └── web-2  10.10.0.9  02:00:10:01:00:14  Unknown"


@pytest.mark.parametrize(
    ("subnet", "held", "free", "total"),
    [
        ({}, ["10.10.0.2"], 252, 253),
        ({"gateway": "10.10.0.254"}, ["10.10.0.1"], 252, 253),
        ({"pools": [{"start": "10.10.0.10", "end": "10.10.0.19"}]}, ["10.10.0.10", "10.10.0.77"], 9, 10),
        ({"pools": [{"start": "10.10.0.1", "end": "10.10.0.2"}]}, ["10.10.0.2"], 0, 1),
        ({"cidr": "10.10.0.0/29"}, ["10.10.0.6"], 4, 5),
    ],
    ids=["the gateway is nobody's", "a gateway elsewhere", "what is outside a pool does not count", "none", "a /29"],
)  # fmt: skip
def test_addresses_are_counted(subnet, held, free, total):
    ports = [port(f"p-{n}", address) for n, address in enumerate(held)]
    (seen,) = picture(network(**subnet), ports, []).subnets
    assert (seen.free, seen.total) == (free, total)


def test_for_programs_it_is_json():
    ports = [port("web-2-eth0", "10.10.0.9", "node-1", "web-2")]
    seen = picture(network(), ports, [instance("web-2", condition("Running"), ON_BLUE)]).json()
    assert json.loads(json.dumps(seen)) == seen | json.loads(json.dumps(seen))
    assert seen["nodes"][0]["ports"][0] == {
        "name": "web-2-eth0",
        "mac": "02:00:10:01:00:14",
        "addresses": ("10.10.0.9",),
        "state": "Running",
        "instance": "web-2",
        "nic": "eth0",
        "shared": (),
    }
