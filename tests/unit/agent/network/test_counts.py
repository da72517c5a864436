from orlop_agent.network import counts
from orlop_agent.network.book import NOTHING, Book
from orlop_api.port import Port


def _link(name, received, sent):
    return {
        "ifname": name,
        "stats64": {"rx": {"bytes": received, "packets": 1}, "tx": {"bytes": sent, "packets": 2}},
    }


def _port(mac, name="port", namespace="red"):
    status = {"macAddress": mac, "addresses": ["10.10.0.20"]}
    return Port.model_validate(
        {
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"networkRef": {"name": "blue"}},
            "status": status,
        }
    )


def test_directions_are_the_guests(attach):
    one = attach()
    (found,) = counts.counts(4097, [one], NOTHING, [{"ifname": "lo"}, _link(one.tap, 10, 20)], {}, {}).ports
    assert (found.sent_bytes, found.received_bytes, found.sent_packets, found.received_packets) == (
        10, 20, 1, 2,
    )  # fmt: skip


def test_the_namespace_is_the_ports_or_else_what_the_order_says(attach):
    links = [_link(attach().tap, 0, 0)]

    def namespace(attachment, *ports):
        return counts.counts(4097, [attachment], Book.of(ports), links, {}, {}).ports[0].namespace

    assert namespace(attach()) == ""
    assert namespace(attach(security={"namespace": "green"})) == "green"
    assert namespace(attach(security={"namespace": "green"}), _port("02:00:10:01:00:14")) == "red"
    # The MAC's last owner, whose Port the agent still sees.
    assert namespace(attach(), _port("02:00:10:01:00:14", name="other")) == ""


def test_a_tap_that_is_not_plugged_yet_has_no_counts(attach):
    assert counts.counts(4097, [attach()], NOTHING, [], {}, {}).ports == ()


def test_what_groups_denied_is_told_apart_from_other_counters():
    def counter(table, name, packets):
        return {"counter": {"family": "inet", "table": table, "name": name, "packets": packets, "bytes": 9}}

    listed = {"nftables": [{"metainfo": {}}, counter("orlop_groups", "denied_ingress", 3),
                           counter("orlop_groups", "denied_egress", 0), counter("other", "denied", 5)]}  # fmt: skip
    found = counts.counts(4097, [], NOTHING, [], {}, listed)
    assert found.groups_dropped == {"denied_ingress": 3, "denied_egress": 0}
