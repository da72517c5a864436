import json

import pytest

from orlop_agent.network.errors import NetworkError
from orlop_agent.network.segment import Attachment, checked_mac


def test_the_gateway_has_the_mac_that_derives_from_its_address(attach):
    assert attach().segment.gateway_mac == "02:00:10:01:00:01"


def test_a_record_tells_it_all(attach):
    attachment = attach(dns=["1.1.1.1"], egress="None")
    assert Attachment.recorded(json.loads(json.dumps(attachment.record()))) == attachment


def test_the_guest_is_told_the_first_label_of_its_name(attach):
    assert attach(hostname="web-1.example").hostname == "web-1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"hostname": "web 1"},
        {"hostname": "web\n1"},
        {"hostname": ""},
        {"hostname": "-web"},
        {"uid": "a/b"},
        {"uid": 'a"; flush'},
        {"address": "10.10.0"},
        {"address": "10.0.0.2\nx"},
        {"gateway": "10.10.0.1 x"},
        {"cidr": "10.10.0.1/24"},
        {"dns": ["1.1.1.1,3"]},
    ],
    ids=str,
)
def test_a_value_that_is_none_of_its_kind_is_refused(attach, wrong):
    with pytest.raises(NetworkError) as raised:
        attach(**wrong)
    assert raised.value.reason == "InvalidNIC"


@pytest.mark.parametrize("text", ["", "02:00:10:01:00", "02:00:10:01:00:1g", "02:00:10:01:00:14\n", "02-00"])
def test_what_is_no_mac_is_refused(text):
    with pytest.raises(ValueError, match="not a MAC address"):
        checked_mac(text)
