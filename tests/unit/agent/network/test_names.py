from ipaddress import IPv4Address

from orlop_agent.network import names


def test_every_interface_fits_into_the_kernels_limit():
    longest = [names.namespace(16777215), names.tap("f" * 36, "n" * 63), names.BRIDGE, names.OVERLAY]
    assert all(len(name) <= 15 for name in longest)


def test_a_tap_is_named_by_instance_and_nic():
    assert names.tap("uid", "eth0") == names.tap("uid", "eth0")
    assert len({names.tap("uid", "eth0"), names.tap("uid", "eth1"), names.tap("uid/", "eth0")}) == 3


def test_mac_derives_from_segment_and_address():
    assert names.derived_mac(0xABCDEF, IPv4Address("10.10.3.20")) == "02:ab:cd:ef:03:14"


def test_only_our_namespaces_are_ours():
    assert names.segment_of("orlop-4097") == 4097
    others = ["orlop-", "orlop-x", "orlop-04097", "orlop-4097-", "cni-4097", "orlop-123456789"]
    assert [names.segment_of(name) for name in others] == [None] * len(others)


def test_only_our_mark_is_ours():
    assert names.is_ours(names.alias("uid"))
    assert not names.is_ours("")
    assert not names.is_ours("my orlop:uid")
