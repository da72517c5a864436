"""Addresses of the second subnet: claimed beside the first, found without looking at a whole /64, resting alike."""

from datetime import UTC, datetime

import pytest

from orlop_api.claim import Claim, address_claim
from orlop_api.network import Network
from orlop_operator.ipam6 import next_free6, slaac, subnet6
from orlop_operator.kinds import CLAIM
from orlop_operator.reconcile.addresses import identify
from orlop_operator.reconcile.effects import Delete, InOrder, Patch
from orlop_operator.reconcile.holding import Holder, Identity, Taken
from orlop_operator.reconcile.instance.facts import Blocker
from orlop_operator.reconcile.quarantine import given_back

UID = "n-1"
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def network(**second):
    subnets = [{"name": "v4", "cidr": "10.10.0.0/24"}, {"name": "v6", "cidr": "fd00:10::/64", **second}]
    return Network.model_validate(
        {
            "metadata": {"namespace": "demo", "name": "blue", "uid": UID},
            "spec": {"subnets": subnets},
            "status": {"segmentID": 4097},
        }
    )


def claim(value, who="i-1", until=None):
    holder = {"kind": "Port", "namespace": "demo", "name": f"{who}-eth0", "uid": who}
    spec = {"type": "Address", "value": value, "networkUID": UID, "holder": holder}
    if until is not None:
        spec["quarantinedUntil"] = until
    return Claim.model_validate({"metadata": {"name": address_claim(UID, value)}, "spec": spec})


def ask(*claims, who="i-9", mac=None, picked=(), ipv6=None, **second):
    taken = Taken({c.metadata.name: c for c in claims}, picked)
    holder = Holder("demo", f"{who}-eth0", who)
    return identify(network(**second), holder, taken, address=None, mac=mac, ipv6=ipv6)


def test_both_addresses_are_claimed_under_names_that_an_object_may_have():
    found = ask()
    assert isinstance(found, Identity)
    assert found.addresses == ["10.10.0.2", "fd00:10::2"]
    assert found.names == {"n-1-10.10.0.2", "n-1-fd00-0010-0000-0000-0000-0000-0000-0002"}


def test_however_it_is_written_an_address_has_one_claim():
    assert address_claim(UID, "fd00:10::2") == address_claim(UID, "FD00:0010:0::0002")


def test_the_next_free_one_is_found_beside_those_that_are_held_or_being_claimed():
    held = [claim(f"fd00:10::{n:x}") for n in range(2, 400)]
    found = ask(*held, picked=[address_claim(UID, "fd00:10::190")])
    assert isinstance(found, Identity)
    assert found.ipv6 == "fd00:10::191"


def test_who_has_its_addresses_keeps_them_and_claims_nothing():
    found = ask(claim("10.10.0.7"), claim("fd00:10::9"), who="i-1")
    assert isinstance(found, Identity)
    assert (found.addresses, found.missing) == (["10.10.0.7", "fd00:10::9"], ())


def test_one_that_got_only_the_first_goes_on_with_the_second():
    found = ask(claim("10.10.0.7"), who="i-1")
    assert isinstance(found, Identity)
    assert found.address == "10.10.0.7"
    assert found.names == {address_claim(UID, "fd00:10::2")}


@pytest.mark.parametrize(
    ("mac", "address"),
    [
        (None, "fd00:10::10ff:fe01:2"),
        ("52:54:00:12:34:56", "fd00:10::5054:ff:fe12:3456"),
    ],
)
def test_with_slaac_the_address_follows_from_the_mac(mac, address):
    """The second is RFC 4291's way for QEMU's well-known MAC."""
    found = ask(mac=mac, ipv6Mode="SLAAC")
    assert isinstance(found, Identity)
    assert found.ipv6 == address


def test_an_address_that_a_mac_leads_to_and_somebody_holds_is_said():
    found = ask(claim("fd00:10::10ff:fe01:2"), ipv6Mode="SLAAC")
    assert isinstance(found, Blocker)
    assert found.reason == "AddressInUse"


def test_a_mac_that_leads_to_the_gateway_is_refused():
    found = ask(ipv6Mode="SLAAC", gateway="fd00:10::10ff:fe01:2")
    assert isinstance(found, Blocker)
    assert found.reason == "AddressInvalid"


def test_a_small_range_ends_and_then_the_one_freed_first_is_given():
    subnet = subnet6(network(cidr="fd00:10::/120"))
    assert subnet is not None
    assert next_free6(subnet, lambda address: True) is None
    held = [claim(f"fd00:10::{n:x}") for n in range(2, 0x100)]
    full = ask(*held, cidr="fd00:10::/120")
    assert isinstance(full, Blocker)
    assert full.reason == "NoFreeAddress"
    freed = [
        claim("fd00:10::7", until="2026-11-26T12:01:00Z"),
        claim("fd00:10::9", until="2026-11-26T12:00:30Z"),
    ]
    rest = [c for c in held if c.spec.value not in {"fd00:10::7", "fd00:10::9"}]
    found = ask(*rest, *freed, cidr="fd00:10::/120")
    assert isinstance(found, Identity)
    assert found.ipv6 == "fd00:10::9"
    (both,) = (each for each in found.claiming() if isinstance(each, InOrder))
    assert both.effects[0] == Delete(CLAIM, freed[1], unchanged=True)


def test_each_subnet_says_how_long_its_addresses_rest():
    (first, second) = given_back(
        [claim("10.10.0.7"), claim("fd00:10::7")], {UID: network(reuseAfter="90s")}, NOW
    )
    assert isinstance(first, Patch)
    assert isinstance(second, Patch)
    assert first.change == {"spec": {"quarantinedUntil": "2026-11-26T12:01:00Z"}}
    assert second.change == {"spec": {"quarantinedUntil": "2026-11-26T12:01:30Z"}}


def test_a_gateway_in_another_spelling_is_not_given():
    found = ask(gateway="fd00:10:0::0002")
    assert isinstance(found, Identity)
    assert found.ipv6 == "fd00:10::1"
    subnet = subnet6(network(ipv6Mode="SLAAC"))
    assert subnet is not None
    assert slaac(subnet, "02:00:00:00:00:00") == "fd00:10::ff:fe00:0"


@pytest.mark.parametrize("second", [{}, {"ipv6Mode": "DHCPv6"}, {"ipv6Mode": "SLAAC", "dhcp": "Disabled"}])
def test_one_that_is_asked_for_is_claimed_however_it_is_written(second):
    found = ask(ipv6="FD00:10::0:77", **second)
    assert isinstance(found, Identity)
    assert found.addresses == ["10.10.0.2", "fd00:10::77"]
    assert address_claim(UID, "fd00:10::77") in found.names
    mine = (claim("10.10.0.2"), claim("fd00:10::77"))
    again = ask(*mine, who="i-1", ipv6="FD00:10::0:77", **second)
    assert isinstance(again, Identity)
    assert (again.addresses, again.missing) == (["10.10.0.2", "fd00:10::77"], ())


def test_one_that_somebody_has_is_waited_for_and_one_that_rests_is_taken():
    found = ask(claim("fd00:10::77"), ipv6="fd00:10::77")
    assert found == Blocker("AddressInUse", "fd00:10::77 of Network demo/blue is held by Port demo/i-1-eth0")
    resting = claim("fd00:10::77", until="2026-11-26T13:00:00Z")
    found = ask(resting, ipv6="fd00:10::77")
    assert isinstance(found, Identity)
    assert found.ipv6 == "fd00:10::77"
    assert found.freed == {resting.metadata.name: resting}


@pytest.mark.parametrize(
    ("wanted", "second", "why"),
    [
        ("fd00:11::5", {}, "fd00:11::5 is not in fd00:10::/64"),
        ("fd00:10::", {}, "fd00:10:: is every router's of fd00:10::/64 (RFC 4291, section 2.6.1)"),
        ("fd00:10::1", {}, "fd00:10::1 is the gateway"),
        ("fd00:10::ffff", {"gateway": "fd00:10:0::FFFF"}, "fd00:10::ffff is the gateway"),
        (
            "fd00:10::5",
            {"ipv6Mode": "SLAAC"},
            (
                "fd00:10::5 cannot be asked for: with ipv6Mode SLAAC guests make their address from their MAC"
                " address, so ask for that, or leave ipv6Address out"
            ),
        ),
    ],
)
def test_what_cannot_be_had_says_why(wanted, second, why):
    assert ask(ipv6=wanted, **second) == Blocker("AddressInvalid", f"Network demo/blue: {why}")


def test_where_there_is_no_second_subnet_none_can_be_asked_for():
    alone = network()
    alone = alone.model_copy(
        update={"spec": alone.spec.model_copy(update={"subnets": alone.spec.subnets[:1]})}
    )
    found = identify(alone, Holder("demo", "p", "u"), Taken({}), address=None, mac=None, ipv6="fd00:10::5")
    assert found == Blocker("AddressInvalid", "Network demo/blue has no IPv6 subnet: leave ipv6Address out")
