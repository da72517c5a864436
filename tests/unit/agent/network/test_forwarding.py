from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from orlop_agent.network import forwarding
from orlop_agent.network.book import Book
from orlop_agent.network.forwarding import Peers
from orlop_agent.network.shared import BROADCAST
from orlop_api.port import Port

HERE = IPv4Address("192.0.2.1")
MACS = st.integers(0, 5).map(lambda low: f"02:00:10:01:00:{low:02x}")
ADDRESSES = st.integers(0, 5).map(lambda low: IPv4Address(f"10.10.0.{low}"))
HOSTS = st.integers(2, 4).map(lambda low: IPv4Address(f"192.0.2.{low}"))
PEERS = st.builds(Peers, st.dictionaries(MACS, HOSTS), st.dictionaries(ADDRESSES, MACS), st.sets(HOSTS))


def port(mac: str | None, address: str, host: str | None) -> Port:
    binding = {"instanceName": "web", "instanceUID": "uid", "nodeName": "node", "hostAddress": host}
    status: dict[str, object] = {"macAddress": mac, "addresses": [address]}
    if host:
        status["binding"] = binding
    meta = {"name": f"port-{address}", "namespace": "demo"}
    return Port.model_validate({"metadata": meta, "spec": {"networkRef": {"name": "blue"}}, "status": status})


def test_only_ports_in_use_elsewhere_are_peers():
    ports = [
        port("02:00:10:01:00:14", "10.10.0.20", "192.0.2.2"),
        port("02:00:10:01:00:15", "10.10.0.21", "192.0.2.1"),
        port("02:00:10:01:00:16", "10.10.0.22", None),
        port(None, "10.10.0.23", "192.0.2.2"),
        port("02:00:10:01:00:18", "10.10.0.24", "192.0.2.2"),
        Port.model_validate({"spec": {"networkRef": {"name": "blue"}}}),
    ]
    book = Book.of(ports)
    peers = forwarding.wanted(book, HERE, frozenset({"02:00:10:01:00:18"}))
    assert not book.wrong
    assert peers.hosts == {"02:00:10:01:00:14": IPv4Address("192.0.2.2")}
    assert peers.neighbours == {IPv4Address("10.10.0.20"): "02:00:10:01:00:14"}


def test_what_is_no_address_is_told_and_stops_no_other():
    bad = port("02:00:10:01:00:14", "10.10.0.20", "192.0.2.2 x")
    good = port("02:00:10:01:00:15", "10.10.0.21", "192.0.2.2")
    book = Book.of([bad, good])
    peers = forwarding.wanted(book, HERE, frozenset())
    assert ["192.0.2.2 x" in str(port.unreachable) for port in book.wrong] == [True]
    assert list(peers.hosts) == ["02:00:10:01:00:15"]


def test_reads_what_iproute2_says():
    fdb = [
        {"mac": "02:00:10:01:00:14", "ifname": "vx0", "master": "brq0", "flags": [], "state": "static"},
        {
            "mac": "02:00:10:01:00:14",
            "ifname": "vx0",
            "dst": "192.0.2.2",
            "flags": ["self"],
            "state": "static",
        },
    ]
    neighbours = [{"dst": "10.10.0.20", "lladdr": "02:00:10:01:00:14", "state": ["PERMANENT"]}]
    assert forwarding.known(fdb, neighbours) == Peers(
        {"02:00:10:01:00:14": IPv4Address("192.0.2.2")}, {IPv4Address("10.10.0.20"): "02:00:10:01:00:14"}
    )


@given(PEERS)
def test_nothing_changes_when_all_is_as_wanted(peers: Peers):
    assert forwarding.bridge_changes(peers, peers) == []
    assert forwarding.neighbour_changes(peers, peers) == []


@given(PEERS, PEERS)
def test_changes_lead_from_any_state_to_any_other(have: Peers, want: Peers):
    hosts, flooded = dict(have.hosts), set(have.flooded)
    for line in forwarding.bridge_changes(have, want):
        words = line.text.split()
        if words[2] == BROADCAST:
            change = {"append": flooded.add, "delete": flooded.remove}[words[1]]
            change(IPv4Address(words[6]))
        elif words[-1] == "self" and words[1] == "delete":
            del hosts[words[2]]
        elif "dst" in words:
            hosts[words[2]] = IPv4Address(words[6])
    neighbours = dict(have.neighbours)
    for line in forwarding.neighbour_changes(have, want):
        words = line.text.split()
        if words[1] == "delete":
            del neighbours[IPv4Address(words[2])]
        else:
            neighbours[IPv4Address(words[2])] = words[4]
    assert Peers(hosts, neighbours, flooded) == want
