from pathlib import Path

from orlop_agent.network import leases

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


def test_a_host_is_one_line(attach):
    assert leases.host(attach()) == "02:00:10:01:00:14,10.10.0.20,web-1\n"
