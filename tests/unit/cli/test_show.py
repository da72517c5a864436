"""What `orlop net show` makes of objects, to the character."""

import json

import pytest

from orlop_api.network import Network
from orlop_api.port import Port
from orlop_cli.picture import Found, picture
from support.pictured import condition, floating, group, instance, lines, network, port, router


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
    title, subnet, none = lines(Network.model_validate(there))
    assert f"  {words}, segment 4097, MTU 1450" in title
    assert f"gateway 10.10.0.1 of {segment['physicalNetwork']}, DHCP Enabled" in subnet
    assert none == "└── no Ports"


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


def test_what_leads_to_its_ports_and_out_of_it():
    ports = [
        port("web-2-eth0", "10.10.0.9", "node-1", "web-2", groups=["uid-web", "uid-app", "uid-unknown"]),
        port("web-10-eth0", "10.10.0.30", "node-2", "web-10", groups=[]),
        port("vip", "10.10.0.100"),
    ]
    routers = [
        router("vpc", ("blue", "10.10.0.0/24"), ("green", "10.20.0.0/24", "fd00:20::/64"), ("far", "10.3.0.0/16"),
               routes=[("192.168.0.0/16", "10.10.0.9")]),
        router("late", "blue", ready=condition("NetworkInUse", "False", "demo/blue is joined by Router demo/vpc")),
        router("another", ("green", "10.20.0.0/24")),
    ]  # fmt: skip
    forwards = [{"port": 8080, "targetPort": 80}, {"protocol": "UDP", "port": 53}]
    lost = condition("NoFreeAddress", "False", "no address of Network demo/public is free")
    leads = [
        floating("second", "192.0.2.71", "web-2-eth0"),
        floating("first", "192.0.2.70", "web-2-eth0", forwards),
        floating("waits", "", "vip", ready=lost),
        floating("reserved", "192.0.2.72"),
    ]
    groups = [group("web"), group("app")]
    assert lines(network(), ports, routers=routers, floating_ips=leads, groups=groups) == [
        "Network demo/blue  Ready  segment 4097, MTU 1450, egress NAT",
        "├── subnet v4  10.10.0.0/24, gateway 10.10.0.1 on every node, DHCP Enabled, 250 of 253 addresses free",
        "├── Router late  NetworkInUse  demo/blue is joined by Router demo/vpc",
        "├── Router vpc  Ready",
        "│   ├── Network far    10.3.0.0/16",
        "│   ├── Network green  10.20.0.0/24, fd00:20::/64",
        "│   └── route 192.168.0.0/16 via 10.10.0.9",
        "├── node node-1  192.0.2.1",
        "│   └── web-2   10.10.0.9   02:00:10:01:00:14  Unknown  in app, uid-unknown, web",
        "│       ├── floating 192.0.2.70  of demo/public  Ready  TCP 8080 to 80, UDP 53",
        "│       └── floating 192.0.2.71  of demo/public  Ready",
        "├── node node-2  192.0.2.2",
        "│   └── web-10  10.10.0.30  02:00:10:01:00:14  Unknown",
        "└── unbound Ports",
        "    └── vip  10.10.0.100  02:00:10:01:00:14  Ready",
        "        └── floating no address  of demo/public  NoFreeAddress  no address of Network demo/public is free",
    ]


def test_a_router_that_a_node_cannot_have_says_so():
    lacks = condition("NetworkSetupFailed", "False", "on node node-2: no room") | {"type": "Routing"}
    made = lines(network(), routers=[router("vpc", ("blue", "10.10.0.0/24"), routing=lacks)])
    assert made[2] == "├── Router vpc  NetworkSetupFailed  on node node-2: no room"


def test_an_external_network_has_floating_addresses():
    pools = [{"start": "192.0.2.64", "end": "192.0.2.99"}]
    public = Network.model_validate(
        {
            "metadata": {"namespace": "demo", "name": "public", "uid": "uid-public"},
            "spec": {
                "segment": {"type": "Flat", "physicalNetwork": "dmz"},
                "subnets": [{"name": "v4", "cidr": "192.0.2.0/24", "pools": pools}],
            },
            "status": {"conditions": [condition("Allocated")]},
        }
    )
    leads = [
        floating("web", "192.0.2.70", "web-2-eth0", [{"port": 80}], "node-1"),
        floating("kept", "192.0.2.64"),
        floating("of-another", "198.51.100.7", network="other"),
    ]
    assert lines(public, floating_ips=leads) == [
        "Network demo/public  Ready  external, dmz",
        "├── subnet v4  192.0.2.0/24, 34 of 36 addresses free",
        "└── floating addresses",
        "    ├── 192.0.2.64  kept  reserved                                  Ready",
        "    └── 192.0.2.70  web   to Port web-2-eth0 (10.10.0.9) on node-1  Ready  TCP 80",
    ]
    assert lines(public)[-1] == "└── no floating addresses of this namespace"


def test_both_families_and_other_namespaces():
    body = network().model_dump(by_alias=True)
    body["spec"]["subnets"].append({"name": "v6", "cidr": "fd00:10::/64", "ipv6Mode": "SLAAC"})
    lent = port("lent", "10.10.0.99").model_dump(by_alias=True)
    lent["status"]["networkUID"] = "uid-of-a-blue-elsewhere"
    ports = [port("web-2-eth0", "10.10.0.9 fd00:10::9", "node-1", "web-2"), Port.model_validate(lent)]
    made = lines(Network.model_validate(body), ports)
    assert made[1:] == [
        "├── subnet v4  10.10.0.0/24, gateway 10.10.0.1 on every node, DHCP Enabled, 252 of 253 addresses free",
        "├── subnet v6  fd00:10::/64, gateway fd00:10::1 on every node, SLAAC, 1 addresses taken",
        "└── node node-1  192.0.2.1",
        "    └── web-2  10.10.0.9, fd00:10::9  02:00:10:01:00:14  Unknown",
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
    (seen,) = picture(network(**subnet), Found(ports)).subnets
    assert (seen.free, seen.total) == (free, total)


def test_for_programs_it_is_json():
    ports = [port("web-2-eth0", "10.10.0.9", "node-1", "web-2")]
    leads = [floating("web", "192.0.2.70", "web-2-eth0", [{"port": 80}], "node-1")]
    found = Found(ports, [instance("web-2", condition("Running"), ON_BLUE)], floating_ips=leads)
    seen = picture(network(), found).json()
    assert json.loads(json.dumps(seen)) == seen | json.loads(json.dumps(seen))
    assert seen["nodes"][0]["ports"][0] == {
        "name": "web-2-eth0",
        "mac": "02:00:10:01:00:14",
        "addresses": ("10.10.0.9",),
        "state": "Running",
        "instance": "web-2",
        "nic": "eth0",
        "shared": (),
        "groups": (),
        "floating": (
            {
                "name": "web",
                "address": "192.0.2.70",
                "network": "demo/public",
                "state": "Ready",
                "message": "",
                "port": "web-2-eth0",
                "target": "10.10.0.9",
                "node": "node-1",
                "forwards": ({"protocol": "TCP", "port": 80, "target": 80},),
            },
        ),
    }
