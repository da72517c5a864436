from ipaddress import IPv4Address, IPv4Network

from orlop_agent.network import forwarding, shared
from orlop_agent.network.book import Book
from orlop_api.port import Port

MAC = "02:00:10:01:00:14"


def port(*addresses, host="192.0.2.2"):
    binding = {"instanceName": "web", "instanceUID": "uid", "nodeName": "node", "hostAddress": host}
    return Port.model_validate(
        {
            "metadata": {"name": f"port-{'-'.join(addresses)}", "namespace": "demo"},
            "spec": {
                "networkRef": {"name": "blue"},
                "allowedAddressPairs": [{"address": each} for each in addresses],
            },
            "status": {"macAddress": MAC, "addresses": ["10.10.0.20"], "binding": binding},
        }
    )


def test_what_any_port_may_use_is_shared_in_as_few_ranges_as_it_takes():
    book = Book.of([port("10.10.0.100", "10.10.0.96/29"), port("10.10.0.200"), port()])
    assert shared.shared(book) == (IPv4Network("10.10.0.96/29"), IPv4Network("10.10.0.200"))
    assert not book.wrong


def test_what_is_no_address_is_told_and_stops_no_other():
    book = Book.of([port("10.10.0.5 x"), port("10.10.0.200")])
    assert shared.shared(book) == (IPv4Network("10.10.0.200"),)
    assert ["10.10.0.5 x" in str(each.unshared) for each in book.wrong] == [True]


def test_only_what_this_node_s_guests_say_is_sent_on():
    rules = shared.copies([IPv4Network("10.10.0.100")], {MAC})
    copying = [line for line in rules.splitlines() if "dup to" in line]
    assert len(copying) == 2
    assert all("ether saddr @here" in line for line in copying)
    assert f"elements = {{ {MAC} }}" in rules


def test_without_a_shared_address_there_is_no_table():
    assert shared.copies([], {MAC}) == shared.NOTHING
    assert shared.copies([IPv4Network("10.10.0.100")], ()) == shared.NOTHING


def test_what_is_for_all_goes_to_nodes_with_ports_only_where_an_address_is_shared():
    here = IPv4Address("192.0.2.1")
    plain = forwarding.wanted(Book.of([port(host="192.0.2.3")]), here, frozenset())
    assert plain.flooded == set()
    wide = forwarding.wanted(Book.of([port("10.10.0.100", host="192.0.2.3")]), here, frozenset())
    assert wide.flooded == {IPv4Address("192.0.2.3")}
    lines = [line.text for line in forwarding.bridge_changes(plain, wide)]
    assert lines == ["fdb append ff:ff:ff:ff:ff:ff dev vx0 dst 192.0.2.3 self static"]
    lines = [line.text for line in forwarding.bridge_changes(wide, plain)]
    assert lines == ["fdb delete ff:ff:ff:ff:ff:ff dev vx0 dst 192.0.2.3 self"]
