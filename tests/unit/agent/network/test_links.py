from ipaddress import IPv4Address, IPv4Network

from orlop_agent.network import links

PAIR = IPv4Network("169.254.64.2/31")
HOST = IPv4Address("192.0.2.1")


def texts(lines):
    return [line.text for line in lines]


def test_the_overlay_leaves_by_the_node(attach):
    first, *rest = texts(links.on_node(attach().segment, HOST, "eth0", PAIR))
    assert first == "netns add orlop-4097"
    assert rest[0] == (
        "link add vx0 mtu 1450 netns orlop-4097 type vxlan id 4097 dstport 4789 local 192.0.2.1 dev eth0 nolearning"
    )


def test_without_egress_no_way_out_is_made(attach):
    segment = attach(egress="None").segment
    lines = [*links.on_node(segment, HOST, None, PAIR), *links.bridge(segment), *links.ways(segment, PAIR)]
    assert not [line for line in texts(lines) if "veth" in line or "up0" in line or "default" in line]


def test_the_overlay_floods_nothing(attach):
    (line,) = [line for line in texts(links.ways(attach().segment, PAIR)) if "bridge_slave" in line]
    for setting in ("learning off", "flood off", "mcast_flood off", "bcast_flood off", "neigh_suppress on"):
        assert setting in line


def test_a_free_pair_is_the_first_that_nobody_has():
    assert links.free_pair([]) == IPv4Network("169.254.64.0/31")
    used = [IPv4Address("169.254.64.0"), IPv4Address("169.254.64.3"), IPv4Address("10.0.0.1")]
    assert links.free_pair(used) == IPv4Network("169.254.64.4/31")


def test_there_is_an_end_of_pairs():
    assert links.free_pair(links.UPLINKS) is None
