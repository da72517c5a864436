"""Both layouts, as cloud-init and people ask for them."""

import json

import pytest

from orlop_agent.metadata.guest import Guest
from orlop_agent.metadata.layout import EC2_VERSIONS, OPENSTACK_VERSIONS, find
from support.known import KEY, known_guest, known_guest6


def text(guest: Guest, path: str) -> str | None:
    found = find(guest, path)
    return None if found is None else found.content.decode()


def test_openstack_says_who_the_guest_is(guest: Guest):
    said = json.loads(text(guest, "/openstack/latest/meta_data.json") or "")
    assert (said["uuid"], said["name"], said["hostname"], said["project_id"]) == (
        "uid-1",
        "web-1",
        "web-1",
        "demo",
    )
    assert said["public_keys"] == {"me": KEY}
    assert said["keys"] == [{"name": "me", "type": "ssh", "data": KEY}]
    assert text(guest, "/openstack/latest/user_data") == "#!/bin/sh\necho hi\n"
    assert json.loads(text(guest, "/openstack/2018-08-27/vendor_data.json") or "") == {}


def test_openstack_says_how_the_nics_are(guest: Guest):
    said = json.loads(text(guest, "/openstack/latest/network_data.json") or "")
    assert [link["ethernet_mac_address"] for link in said["links"]] == [
        "02:00:10:01:00:14",
        "02:00:10:02:00:63",
    ]
    by_dhcp, still = said["networks"]
    assert (by_dhcp["type"], by_dhcp["link"]) == ("ipv4_dhcp", said["links"][0]["id"])
    assert (still["type"], still["ip_address"], still["netmask"]) == ("ipv4", "10.10.0.99", "255.255.255.0")
    # One way out, and it is the first NIC's.
    assert [(r["network"], r["netmask"], r["gateway"]) for r in still["routes"]] == [
        ("169.254.169.254", "255.255.255.255", "10.10.0.1"),
        ("10.20.0.0", "255.255.0.0", "10.10.0.9"),
    ]
    assert said["services"] == [{"type": "dns", "address": "192.0.2.53"}]


@pytest.mark.parametrize(
    ("fields", "network"),
    [
        ({"mode": "SLAAC"}, {"type": "ipv6_slaac"}),
        ({"mode": "DHCPv6"}, {"type": "ipv6_dhcpv6-stateful"}),
        (
            {"dhcp": "Disabled"},
            {
                "type": "ipv6", "ip_address": "fd00:10::14", "netmask": "ffff:ffff:ffff:ffff::",
                "routes": [
                    {
                        "network": "fd00:ec2::254", "netmask": "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                        "gateway": "fd00:10::1",
                    },
                    {"network": "::", "netmask": "::", "gateway": "fd00:10::1"},
                ],
                "services": [{"type": "dns", "address": "fd00:10::53"}],
            },
        ),
    ],
)  # fmt: skip
def test_a_nic_of_ipv6_alone(fields, network):
    guest = known_guest6(**fields)
    said = json.loads(text(guest, "/openstack/latest/network_data.json") or "")
    usual = {"id": "network0-6", "link": "tap0", "network_id": "net-4097"}
    assert said["networks"] == [usual | network]
    assert said["services"] == [{"type": "dns", "address": "fd00:10::53"}]
    assert Guest.read(guest.text()) == guest
    listed = (text(guest, "/latest/meta-data/") or "").splitlines()
    assert "local-ipv4" not in listed
    assert text(guest, "/latest/meta-data/ipv6") == "fd00:10::14"
    mac = "/latest/meta-data/network/interfaces/macs/02:00:10:01:00:14"
    assert text(guest, f"{mac}/ipv6s") == "fd00:10::14"
    assert text(guest, f"{mac}/subnet-ipv6-cidr-blocks") == "fd00:10::/64"
    assert text(guest, f"{mac}/local-ipv4s") is None
    assert "privateIp" not in json.loads(text(guest, "/latest/dynamic/instance-identity/document") or "")


def test_a_file_of_before_says_nothing_of_ipv6(guest: Guest):
    said = json.loads(guest.text())
    for nic in said["nics"]:
        del nic["ipv6"]
    assert Guest.read(json.dumps(said).encode()) == guest


def test_a_nic_of_both_families():
    both = known_guest6(addresses=["10.10.0.20"], cidr="10.10.0.0/24", gateway="10.10.0.1")
    said = json.loads(text(both, "/openstack/latest/network_data.json") or "")
    assert [each["type"] for each in said["networks"]] == ["ipv4_dhcp", "ipv6_dhcpv6-stateful"]
    assert text(both, "/latest/meta-data/local-ipv4") == "10.10.0.20"
    assert text(both, "/latest/meta-data/ipv6") == "fd00:10::14"


@pytest.mark.parametrize("path", ["/openstack", "/openstack/"])
def test_openstack_lists_its_versions_bare(guest: Guest, path: str):
    assert (text(guest, path) or "").splitlines() == list(OPENSTACK_VERSIONS)
    assert "user_data" in (text(guest, "/openstack/latest") or "").splitlines()


EC2 = {
    "instance-id": "uid-1",
    "hostname": "web-1",
    "local-hostname": "web-1",
    "local-ipv4": "10.10.0.20",
    "mac": "02:00:10:01:00:14",
    "public-keys/": "0=me",
    "public-keys/0/": "openssh-key",
    "public-keys/0/openssh-key": KEY,
    "placement/availability-zone": "orlop",
    "network/interfaces/macs/": "02:00:10:01:00:14/\n02:00:10:02:00:63/",
    "network/interfaces/macs/02:00:10:02:00:63/local-ipv4s": "10.10.0.99",
    "network/interfaces/macs/02:00:10:02:00:63/device-number": "1",
    "network/interfaces/macs/02:00:10:01:00:14/subnet-ipv4-cidr-block": "10.10.0.0/24",
}


@pytest.mark.parametrize("version", ["latest", "2009-04-04", "2021-03-23"])
@pytest.mark.parametrize("path", EC2)
def test_ec2(guest: Guest, version: str, path: str):
    assert text(guest, f"/{version}/meta-data/{path}") == EC2[path]


def test_ec2_lists_what_there_is(guest: Guest):
    assert (text(guest, "/") or "").splitlines() == list(EC2_VERSIONS)
    assert text(guest, "/latest/") == "meta-data/\ndynamic/\nuser-data"
    listed = (text(guest, "/latest/meta-data/") or "").splitlines()
    assert {"instance-id", "network/", "public-keys/", "placement/"} <= set(listed)
    for name in listed:
        assert text(guest, f"/latest/meta-data/{name}") is not None
    assert text(guest, "/latest/user-data") == "#!/bin/sh\necho hi\n"
    assert (
        json.loads(text(guest, "/latest/dynamic/instance-identity/document") or "")["instanceId"] == "uid-1"
    )


def test_what_there_is_not_is_not_there():
    plain = known_guest("uid-2", "web-2", "10.10.0.21")
    for path in (
        "/latest/user-data", "/openstack/latest/user_data", "/latest/meta-data/public-keys/", "/latest/meta-data/none",
        "/latest/meta-data/mac/more", "/2031-01-01/meta-data/", "/../etc/passwd", "/openstack/latest/../../latest/",
    ):  # fmt: skip
        assert find(plain, path) is None
    assert "user" not in (text(plain, "/latest/") or "")


def test_the_file_holds_all_of_it(guest: Guest):
    assert Guest.read(guest.text()) == guest


@pytest.mark.parametrize("bad", [b"", b"{}", b"[]", b'{"uid": 1}', b"null"])
def test_another_versions_file_is_refused(bad: bytes):
    with pytest.raises(ValueError, match=r"metadata of this version|Expecting value"):
        Guest.read(bad)
