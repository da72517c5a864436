"""Who is called what, who answers, and who is asked."""

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from orlop_agent.network import firewall, resolver
from orlop_agent.network.book import Book
from orlop_agent.network.errors import NetworkError
from orlop_api.port import Port

DIRECTORY = Path("/run/orlop/net/4097/dns")
GATEWAY = "10.10.0.1"


def port(address: str, instance: str = "web-1", namespace: str = "demo", **status: Any) -> Port:
    binding = {"instanceName": instance, "instanceUID": "u", "nodeName": "n", "hostAddress": "192.0.2.9"}
    found = {"macAddress": "02:00:10:01:00:14", "addresses": [address], "binding": binding} | status
    metadata = {"name": f"port-{address}", "namespace": namespace}
    return Port.model_validate({"metadata": metadata, "spec": {"networkRef": {"name": "b"}}, "status": found})


def texts(attach: Any, *ports: Port, **fields: Any) -> dict[str, str]:
    book = Book.of(ports)
    assert not book.wrong
    return resolver.hosts(attach(dns=[GATEWAY], **fields).segment, book)


def test_an_instance_has_its_name_with_and_without_the_namespace(attach):
    files = texts(attach, port("10.10.0.20"), network_namespace="demo", domain="lab.example")
    assert files == {"10.10.0": "10.10.0.20 web-1.lab.example web-1.demo.lab.example web-1\n"}


def test_a_network_that_gives_no_domain_has_one(attach):
    files = texts(attach, port("10.10.0.20"))
    assert files == {"10.10.0": "10.10.0.20 web-1.orlop.internal web-1.demo.orlop.internal web-1\n"}


def test_only_the_networks_own_namespace_has_short_names(attach):
    """However the other namespace and its Instances are called, none of their names is one of ours."""
    strangers = [port("10.10.0.21", "web-1", "guest"), port("10.10.0.22", "demo", "web-1")]
    files = texts(attach, port("10.10.0.20"), *strangers, network_namespace="demo")
    of = {line.split()[0]: set(line.split()[1:]) for line in files["10.10.0"].splitlines()}
    assert of["10.10.0.21"] == {"web-1.guest.orlop.internal"}
    assert of["10.10.0.22"] == {"demo.web-1.orlop.internal"}
    assert not of["10.10.0.20"] & (of["10.10.0.21"] | of["10.10.0.22"])


def test_files_hold_256_addresses_each_in_order(attach):
    ports = [port(f"10.10.{high}.{low}", f"i-{high}-{low}") for high in (1, 0) for low in (9, 8)]
    files = texts(attach, *ports, cidr="10.10.0.0/16")
    assert {name: [line.split()[0] for line in text.splitlines()] for name, text in files.items()} == {
        "10.10.0": ["10.10.0.8", "10.10.0.9"],
        "10.10.1": ["10.10.1.8", "10.10.1.9"],
    }


def test_who_is_not_in_use_has_no_name(attach):
    assert texts(attach, port("10.10.0.20", binding=None)) == {}
    assert texts(attach, port("10.10.0.20", "localhost")) == {}
    # None of the subnet's: the reverse zone is somebody else's.
    assert texts(attach, port("10.11.0.20")) == {}


@pytest.mark.parametrize("name", ["x\n10.10.0.1 bank", "a b", "a.b", "", "-a", "A", "web-1\x00"])
@pytest.mark.parametrize("field", ["instance_name", "namespace"])
def test_a_name_that_is_none_is_left_out_and_said(attach, name: str, field: str):
    """The API server lets none of them through; a node does not rely on that."""
    bad, good = port("10.10.0.21"), port("10.10.0.20")
    assert bad.status
    assert bad.status.binding
    if field == "namespace":
        bad = bad.model_copy(update={"metadata": bad.metadata.model_copy(update={"namespace": name})})
    else:
        binding = bad.status.binding.model_copy(update={"instance_name": name})
        bad = bad.model_copy(update={"status": bad.status.model_copy(update={"binding": binding})})
    book = Book.of([bad, good])
    files = resolver.hosts(attach(dns=[GATEWAY]).segment, book)
    assert [port.nameless is not None for port in book.wrong] == [True]
    assert list(files) == ["10.10.0"]
    assert files["10.10.0"].count("\n") == 1
    assert "bank" not in files["10.10.0"]


@pytest.mark.parametrize(
    "name", ["x\nserver=192.0.2.1", "a b", "a..b", ".", "a.", "10.10.0.1", "a/192.0.2.1", "A", "é"]
)
def test_a_domain_that_is_none_makes_no_network(attach, name: str):
    with pytest.raises(NetworkError, match="cannot be made"):
        attach(dns=[GATEWAY], domain=name)


@pytest.mark.parametrize(
    ("dns", "egress", "told", "upstream"),
    [
        ([], "NAT", [], []),
        (["192.0.2.53"], "NAT", ["192.0.2.53"], []),
        ([GATEWAY], "NAT", [GATEWAY], []),
        (["192.0.2.53", GATEWAY], "NAT", [GATEWAY], ["192.0.2.53"]),
        # Without a way out nobody is asked; in the subnet, guests ask themselves.
        (["192.0.2.53", GATEWAY], "None", [GATEWAY, "192.0.2.53"], []),
        (["10.10.0.9", GATEWAY, "192.0.2.53"], "NAT", [GATEWAY, "10.10.0.9"], ["192.0.2.53"]),
    ],
)
def test_who_is_told_and_who_is_asked(attach, dns, egress, told, upstream):
    segment = attach(dns=dns, egress=egress).segment
    assert resolver.told(segment) == tuple(map(IPv4Address, told))
    assert resolver.upstream(segment) == tuple(map(IPv4Address, upstream))


def test_the_server_answers_on_the_gateway_alone(attach):
    segment = attach(dns=[GATEWAY, "192.0.2.53"], domain="lab.example").segment
    lines = resolver.configuration(segment, DIRECTORY).splitlines()
    assert "listen-address=10.10.0.1" in lines
    assert "bind-interfaces" in lines
    assert not any(line.startswith(("interface", "dhcp")) for line in lines)
    assert "user=nobody" in lines
    assert "no-resolv" in lines
    assert "local=/lab.example/" in lines
    assert "local=/0.10.10.in-addr.arpa/" in lines
    assert [line for line in lines if line.startswith("server=")] == ["server=192.0.2.53"]


@pytest.mark.parametrize(
    ("cidr", "zones"),
    [
        ("10.10.0.0/16", {"10.10.in-addr.arpa"}),
        ("10.10.2.0/23", {"2.10.10.in-addr.arpa", "3.10.10.in-addr.arpa"}),
        ("10.10.0.8/29", {f"{n}.0.10.10.in-addr.arpa" for n in range(8, 16)}),
    ],
)
def test_reverse_zones_are_the_subnets_and_nobody_elses(attach, cidr, zones):
    segment = attach(dns=[GATEWAY], cidr=cidr).segment
    lines = resolver.configuration(segment, DIRECTORY).splitlines()
    assert {line[7:-1] for line in lines if line.startswith("local=") and "arpa" in line} == zones


def test_the_port_is_open_for_guests_where_somebody_answers(attach):
    opened = [
        line.strip()
        for line in firewall.gateway(attach(dns=[GATEWAY]).segment).splitlines()
        if "dport 53" in line
    ]
    assert len(opened) == 2
    assert all('iifname "brq0" ip saddr 10.10.0.0/24 ip daddr 10.10.0.1' in line for line in opened)
    assert "dport 53" not in firewall.gateway(attach(dns=["192.0.2.53"]).segment)
