from pathlib import Path

import pytest
from pydantic import ValidationError

from orlop_agent.network import leases
from orlop_agent.network.errors import NetworkError

DIRECTORY = Path("/run/orlop/net/4097/dhcp")


def test_configuration(attach):
    segment = attach(dns=["192.0.2.53", "10.10.0.1", "192.0.2.54"]).segment
    lines = leases.configuration(segment, DIRECTORY).splitlines()
    assert "port=0" in lines
    assert "user=nobody" in lines
    assert "dhcp-authoritative" in lines
    assert "dhcp-range=10.10.0.0,static,255.255.255.0,1h" in lines
    assert "dhcp-option=option:router,10.10.0.1" in lines
    # The gateway asks the others.
    assert "dhcp-option=option:dns-server,10.10.0.1" in lines
    assert "dhcp-option=option:domain-name,orlop.internal" in lines
    assert "dhcp-option-force=option:mtu,1450" in lines


def test_what_there_is_not_is_said_to_be_absent(attach):
    """Without an empty option dnsmasq would name itself as router and name server."""
    lines = leases.configuration(attach(egress="None").segment, DIRECTORY).splitlines()
    assert "dhcp-option=option:router" in lines
    assert "dhcp-option=option:dns-server" in lines
    assert not any("domain-name" in line for line in lines)


@pytest.mark.parametrize("text", ["lab\ndhcp-script=/bin/sh", "lab,option:router", "lab example", "lab#"])
@pytest.mark.parametrize("field", ["domain", "search"])
def test_no_option_comes_in_by_a_name(attach, field: str, text: str):
    with pytest.raises(NetworkError, match="cannot be made"):
        attach(**{field: [text] if field == "search" else text})


@pytest.mark.parametrize("text", ["10.0.0.1\nserver=x", "10.0.0.1,10.0.0.2", "10.0.0.1 ", "ntp.example", ""])
def test_no_option_comes_in_by_an_address(attach, text: str):
    for fields in (
        {"ntp": [text]},
        {"dns": [text]},
        {"routes": [{"destination": "10.20.0.0/16", "via": text}]},
        {"routes": [{"destination": text, "via": "10.10.0.9"}]},
    ):
        with pytest.raises((NetworkError, ValidationError)):
            attach(**fields)


def test_whatever_is_said_each_line_is_one_of_ours(attach):
    """One line more or less, and somebody else would have written it."""
    plain = leases.configuration(attach().segment, DIRECTORY).splitlines()
    ways = [{"destination": "10.20.0.0/16", "via": "10.10.0.9"}] * 8
    full = attach(domain="a.b", search=["c.d"] * 4, ntp=["10.10.0.9"] * 4, routes=ways).segment
    lines = leases.configuration(full, DIRECTORY).splitlines()
    assert len(lines) == len(plain) + 4
    assert [line.split("=")[0] for line in lines if line not in plain] == ["dhcp-option"] * 4
    assert max(map(len, lines)) < 1024


def test_a_host_is_one_line(attach):
    assert leases.host(attach()) == "02:00:10:01:00:14,10.10.0.20,web-1\n"
