"""Networks of IPv6 alone: what a NIC gets, what cannot be had, and which nodes take it."""

from datetime import UTC, datetime

import pytest

from orlop_api.claim import Claim, ClaimType, address_claim, mac_claim
from orlop_api.network import Egress, Network
from orlop_operator.ipam6 import slaac, subnet6
from orlop_operator.reconcile.addresses import identify
from orlop_operator.reconcile.holding import Holder, Identity, Taken
from orlop_operator.reconcile.instance.facts import Blocker
from orlop_operator.reconcile.network import NetworkFacts, plan_network
from orlop_operator.reconcile.quarantine import given_back
from orlop_operator.scheduling import Host, Placement, Request, Unplaceable, Usage, World, place

UID, NOW = "n-1", datetime(2026, 11, 26, 12, tzinfo=UTC)
SLAAC = {"ipv6Mode": "SLAAC"}


def network(**subnet):
    subnets = [{"name": "v6", "cidr": "fd00:10::/64", **subnet}]
    meta = {"namespace": "demo", "name": "six", "uid": UID, "finalizers": ["orlop.dev/protect"]}
    return Network.model_validate(
        {"metadata": meta, "spec": {"subnets": subnets}, "status": {"segmentID": 4097}}
    )


def claim(value, who="i-1", until=None, kind="Address"):
    holder = {"kind": "Port", "namespace": "demo", "name": f"{who}-eth0", "uid": who}
    spec = {"type": kind, "value": value, "networkUID": UID, "holder": holder}
    if until is not None:
        spec["quarantinedUntil"] = until
    name = mac_claim(UID, value) if kind == "MAC" else address_claim(UID, value)
    return Claim.model_validate({"metadata": {"name": name}, "spec": spec})


def ask(*claims, who="i-9", mac=None, picked=(), ipv6=None, address=None, **subnet):
    taken = Taken({c.metadata.name: c for c in claims}, picked)
    holder = Holder("demo", f"{who}-eth0", who)
    return identify(network(**subnet), holder, taken, address=address, mac=mac, ipv6=ipv6)


def got(*claims, **how):
    found = ask(*claims, **how)
    assert isinstance(found, Identity)
    return found


def kinds(found):
    return [body["spec"]["type"] for body in found.missing]


def test_without_a_wish_the_first_free_address_and_the_mac_that_follows_from_it():
    """One Claim, as of IPv4: the MAC address is nobody else's by itself."""
    found = got()
    assert (found.address, found.addresses, found.mac) == (None, ["fd00:10::2"], "02:00:10:01:00:02")
    assert found.names == {address_claim(UID, "fd00:10::2")}


def test_by_slaac_the_first_derived_mac_whose_address_is_free():
    found = got(**SLAAC)
    assert found.mac == "02:00:10:01:00:01"
    assert found.addresses == ["fd00:10::10ff:fe01:1"]
    assert kinds(found) == ["Address"]
    taken = [claim("fd00:10::10ff:fe01:1")]
    again = got(*taken, picked=[address_claim(UID, "fd00:10::10ff:fe01:2")], **SLAAC)
    assert again.mac == "02:00:10:01:00:03"
    # The gateway's own address is nobody's.
    assert got(gateway="fd00:10::10ff:fe01:1", **SLAAC).mac == "02:00:10:01:00:02"


@pytest.mark.parametrize("subnet", [{}, SLAAC, {"dhcp": "Disabled"}, {"dhcp": "Disabled", **SLAAC}])
@pytest.mark.parametrize(
    "wish", [{}, {"mac": "52:54:00:12:34:56"}, {"ipv6": "fd00:10::5"}, {"ipv6": "fd00:10::1:5"}]
)
def test_who_has_its_claims_keeps_address_and_mac_and_claims_nothing(subnet, wish):
    first = ask(who="i-1", **wish, **subnet)
    if isinstance(first, Blocker):
        assert subnet == SLAAC
        assert "ipv6" in wish
        return
    held = [claim(b["spec"]["value"], kind=b["spec"]["type"]) for b in first.missing]
    again = got(*held, who="i-1", **wish, **subnet)
    assert (again.addresses, again.mac, again.missing) == (first.addresses, first.mac, ())


def test_no_two_nics_get_one_mac():
    """Neither by an address far above, nor where others make theirs of a derived MAC."""
    low, far = got(ipv6="fd00:10::5"), got(ipv6="fd00:10::1:5")
    assert low.mac == "02:00:10:01:00:05"
    assert far.mac.startswith("06:")
    assert kinds(far) == ["Address", "MAC"]
    static = got(ipv6="fd00:10::1:1", dhcp="Disabled", **SLAAC)
    below = got(ipv6="fd00:10::2", dhcp="Disabled", **SLAAC)
    made = got(dhcp="Disabled", **SLAAC)
    assert len({static.mac, below.mac, made.mac}) == 3
    assert kinds(below) == ["Address", "MAC"]


def test_a_mac_that_is_asked_for_is_claimed_and_leads_to_the_address_by_slaac():
    found = got(mac="52:54:00:12:34:56", **SLAAC)
    assert found.addresses == ["fd00:10::5054:ff:fe12:3456"]
    assert kinds(found) == ["Address", "MAC"]
    assert got(mac="52:54:00:12:34:56").addresses == ["fd00:10::2"]
    held = ask(claim("52:54:00:12:34:56", kind="MAC"), mac="52:54:00:12:34:56")
    assert held == Blocker("MACInUse", "52:54:00:12:34:56 is held by Port demo/i-1-eth0")
    for subnet in ({}, SLAAC):
        reserved = ask(mac="02:00:10:01:00:00", **subnet)
        assert isinstance(reserved, Blocker)
        assert reserved.message.startswith("02:00:10:01:00:00 is reserved: addresses 02:00:10:01:…")


def test_what_cannot_be_had_says_why():
    assert ask(address="10.10.0.5") == Blocker(
        "AddressInvalid",
        "Network demo/six has no IPv4 subnet: leave address out; a Port may have ipv6Address",
    )
    full = [claim(f"fd00:10::{n:x}") for n in range(2, 256)]
    assert ask(*full, cidr="fd00:10::/120") == Blocker(
        "NoFreeAddress", "Network demo/six has no free IPv6 address"
    )


def test_an_address_rests_as_its_subnet_says():
    (rest,) = given_back([claim("fd00:10::7")], {UID: network(reuseAfter="90s")}, NOW)
    assert rest.change == {"spec": {"quarantinedUntil": "2026-11-26T12:01:30Z"}}
    subnet = subnet6(network(**SLAAC))
    assert subnet is not None
    resting = claim(slaac(subnet, "02:00:10:01:00:01"), until="2026-11-26T12:01:00Z")
    assert got(resting, **SLAAC).mac == "02:00:10:01:00:02"


@pytest.mark.parametrize(
    ("egress", "more"), [("NAT", "; there is no way out: egress NAT is by IPv4"), ("None", "")]
)
def test_a_network_says_that_there_is_no_way_out(egress, more):
    asked = network()
    asked = asked.model_copy(update={"spec": asked.spec.model_copy(update={"egress": Egress(egress)})})
    segment = Claim.model_validate(
        {
            "metadata": {"name": "vni-4097"},
            "spec": {
                "type": ClaimType.SEGMENT, "value": "4097", "networkUID": UID,
                "holder": {"kind": "Network", "namespace": "demo", "name": "six", "uid": UID},
            },
        }
    )  # fmt: skip
    (report,) = plan_network(NetworkFacts(asked, NOW, {"vni-4097": segment})).effects
    said = next(c["message"] for c in report.status["conditions"] if c["type"] == "Ready")
    assert said == f"segment 4097, MTU 1450{more}"


def test_only_agents_that_can_read_it_get_an_order_without_ipv4():
    room = Usage(8, 1 << 34, 1 << 36)
    old, new = Host("a", room), Host("b", room, nic_families=frozenset({"IPv4", "IPv6"}))
    wanted = Request(1, 1 << 30, 1 << 30, ipv6_alone=True)
    assert place(wanted, World([old, new])) == Placement("b")
    refused = place(wanted, World([old]))
    assert isinstance(refused, Unplaceable)
    assert (
        refused.message == "0/1 hypervisor: 1 have an agent that knows no Network of IPv6 alone (upgrade it)"
    )
    assert place(Request(1, 1 << 30, 1 << 30), World([old])) == Placement("a")
