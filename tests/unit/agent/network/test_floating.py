"""FloatingIPs on a node: whose are here, and what the kernel is told of them."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from orlop_agent.network import floating
from orlop_agent.network.floating import Floating, wanted
from orlop_agent.network.segment import Attachment
from orlop_api.floating_ip import FloatingIP
from support.floating import floating as told
from support.routed import on

ONE, TWO = "192.0.2.64", "192.0.2.65"
WEB = on(4097, 20)
HERE = [Attachment.of("uid-1", "web", WEB)]
INTERFACES = {"public": "eth0"}
LED = Floating(IPv4Address(ONE), IPv4Address("10.10.0.20"), "eth0")


def test_what_leads_to_a_nic_here_is_here() -> None:
    assert wanted([told(ONE, WEB)], HERE, INTERFACES) == (LED,)


DELETED = FloatingIP.model_validate(
    told(ONE, WEB).wire() | {"metadata": {"name": "f", "deletionTimestamp": "2030-01-01T00:00:00Z"}}
)


@pytest.mark.parametrize(
    "other",
    [
        told(ONE, None),
        told(ONE, on(4097, 21)),
        told(ONE, on(4098, 20)),
        told(ONE, WEB.model_copy(update={"port_name": "another"})),
        told(ONE, WEB.model_copy(update={"addresses": ["10.10.0.21"]})),
        told(ONE, WEB, physicalNetwork="private"),
        told(ONE, WEB, address=None),
        DELETED,
    ],
)
def test_nothing_else_is(other: FloatingIP) -> None:
    assert wanted([other], HERE, INTERFACES) == ()


def test_one_address_each_also_while_watches_tell_of_two() -> None:
    assert wanted([told(TWO, WEB), told(ONE, WEB)], HERE, INTERFACES) == (LED,)


def test_what_is_none_of_its_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="Expected 4 octets"):
        wanted([told(ONE, WEB, address="192.0.2")], HERE, INTERFACES)


def test_what_was_recorded_is_the_same() -> None:
    (found,) = wanted([told(ONE, WEB, [("TCP", 80, 8080), ("UDP", 53, None)])], HERE, INTERFACES)
    assert found.forwards == (("tcp", 80, 8080), ("udp", 53, 53))
    assert Floating.recorded(found.record()) == found


def test_all_is_let_in_or_what_is_listed() -> None:
    whole = floating.rules([LED])
    assert f"add element inet orlop_floating into {{ {ONE} : 10.10.0.20 }}" in whole
    assert "add element inet orlop_floating ports" not in whole
    some = floating.rules([Floating(LED.address, LED.fixed, "eth0", (("tcp", 80, 8080),))])
    assert "add element inet orlop_floating into" not in some
    assert "add element inet orlop_floating led" not in some
    assert f"add element inet orlop_floating ports {{ {ONE} . tcp . 80 : 10.10.0.20 . 8080 }}" in some
    for text in (whole, some):
        assert f"add element inet orlop_floating out {{ 10.10.0.20 : {ONE} }}" in text
    assert floating.rules([]).endswith("delete table inet orlop_floating\n")


def test_routes_follow_what_is_here() -> None:
    ways = {"orlop-4097": "169.254.64.1"}
    there = [(ONE, "169.254.64.1", "orlop-4097"), (TWO, "169.254.64.1", "orlop-4097")]
    lines = floating.routes(there, {4097: (LED,)}, ways)
    assert [line.text for line in lines] == [f"route delete {TWO}/32 proto 137"]
    lines = floating.routes([(ONE, "169.254.64.5", "orlop-4099")], {4097: (LED,)}, ways)
    assert [line.text for line in lines] == [
        f"route replace {ONE}/32 via 169.254.64.1 dev orlop-4097 proto 137"
    ]
    assert floating.routes([], {}, ways) == []


def test_an_announcement_is_a_question_and_an_answer_to_all() -> None:
    question, answer = floating.announcement(ONE, bytes.fromhex("020000000001"))
    head = "ffffffffffff" + "020000000001" + "0806" + "0001080006040001"
    assert question.hex() == head + "020000000001" + "c0000240" + "000000000000" + "c0000240"
    assert answer.hex() == head[:-1] + "2" + "020000000001" + "c0000240" + "ffffffffffff" + "c0000240"
