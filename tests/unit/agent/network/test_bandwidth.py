import pytest

from orlop_agent.network import bandwidth
from orlop_agent.network.bandwidth import UNLIMITED, Limits, Rate
from orlop_agent.network.book import Book
from orlop_api.bandwidth import BandwidthLimit
from orlop_api.port import Port

SLOW = {"ingress": {"bitsPerSecond": "10M"}, "egress": {"bitsPerSecond": "1G", "burstBytes": "1Mi"}}
FAST = {"egress": {"bitsPerSecond": "10G"}}


def port(spec=None, status=None, name="port"):
    return Port.model_validate(
        {
            "metadata": {"name": name, "namespace": "red"},
            "spec": {"networkRef": {"name": "blue"}, "qos": spec},
            "status": {"macAddress": "02:00:10:01:00:14", "qos": status},
        }
    )


@pytest.mark.parametrize(
    ("rate", "burst", "found"),
    [
        ("64k", None, Rate(64_000, 65_536)),
        ("100M", None, Rate(100_000_000, 250_000)),
        ("100G", None, Rate(100_000_000_000, 250_000_000)),
        ("1Mi", "16Ki", Rate(1 << 20, 16_384)),
    ],
)
def test_a_burst_is_20_ms_and_what_a_guest_hands_over_at_once_at_least(rate, burst, found):
    assert Rate.of(BandwidthLimit(bits_per_second=rate, burst_bytes=burst)) == found


def test_the_port_is_newer_than_the_order_and_its_status_than_its_spec(attach):
    slow, fast = (
        Limits(Rate(10_000_000, 65_536), Rate(1_000_000_000, 1 << 20)),
        Limits(None, Rate(10**10, 25 * 10**6)),
    )

    def found(*ports, **order):
        one = attach(**order)
        return bandwidth.wanted([one], Book.of(ports))[one.tap]

    assert found() == UNLIMITED
    assert found(qos=SLOW) == slow
    assert found(port(), qos=SLOW) == UNLIMITED
    assert found(port(FAST), qos=SLOW) == fast
    assert found(port(SLOW, FAST)) == fast
    # The MAC's last owner, whose Port the agent still sees.
    assert found(port(FAST, name="other"), qos=SLOW) == slow


def test_a_limit_is_one_device_and_goes_with_it():
    both = {"tap00": Limits(Rate(1000, 2000), Rate(3000, 4000))}
    assert [line.text for line in bandwidth.devices(both)] == [
        "link add ifb00 type ifb",
        "link set ifb00 up",
    ]
    assert [line.text for line in bandwidth.limits(both)] == [
        "qdisc replace dev tap00 root tbf rate 1000bit burst 2000 latency 100ms",
        "qdisc replace dev ifb00 root tbf rate 3000bit burst 4000 latency 100ms",
        "qdisc add dev tap00 clsact",
        (
            "filter replace dev tap00 ingress protocol all prio 1 handle 800::1 u32 match u32 0 0"
            " action mirred egress redirect dev ifb00"
        ),
    ]
    none = {"tap00": UNLIMITED}
    assert bandwidth.devices(none) == []
    assert [line.text for line in bandwidth.limits(none)] == [
        "qdisc delete dev tap00 root",
        "qdisc delete dev tap00 clsact",
    ]
    assert bandwidth.unused(none, frozenset({"tap00", "ifb00"})) == ["ifb00"]
    assert bandwidth.unused(none, frozenset({"tap00"})) == []
    assert bandwidth.strange({"ifb00", "ifb01", "tap00", "brq0"}, ["tap00"]) == ["ifb01"]
