from orlop_agent.network import drops, firewall, identities, links, names

IPV6 = {"address": "fd00:10::14", "cidr": "fd00:10::/64", "gateway": "fd00:10::1"}


def test_identities_replace_all_that_was(attach):
    first = attach("10.10.0.20", uid="uid-1")
    second = attach("10.10.0.21", uid="uid-2", mac_address="02:00:10:01:00:15")
    text = identities.whole([second, first])
    assert text == identities.whole([first, second])
    assert text.index("flush set bridge orlop macs\n") < text.index("add element")
    tap = names.tap("uid-2", "eth0")
    assert f'"{tap}" . 02:00:10:01:00:15 . 10.10.0.21' in text
    assert text.index("flush set bridge orlop senders") < text.index("add element")


def test_what_else_a_guest_may_use_is_in_sets_of_ranges_where_nothing_overlaps(attach):
    pairs = [{"address": each} for each in ("10.10.0.100", "10.10.0.96/29", "10.20.0.0/16")]
    one = attach("10.10.0.20", allowed_address_pairs=pairs)
    text = identities.whole([one])
    who = f'"{one.tap}" . 02:00:10:01:00:14'
    assert (
        f"add element bridge orlop more_addresses {{ {who} . 10.10.0.96/29, {who} . 10.20.0.0/16 }}" in text
    )
    assert f"add element bridge orlop senders {{ {who} . 10.10.0.20 }}" in text


def test_the_gateway_is_refused_before_ranges_are_looked_at(attach):
    lines = firewall.anti_spoofing(attach().segment).splitlines()
    for gateway, ranges in (
        (f"    arp saddr ip 10.10.0.1 {drops.drop('forged_arp')}", "arp saddr ip @more_senders"),
        (f"    arp daddr ip 10.10.0.1 {drops.drop('forged_arp')}", "arp daddr ip @more_senders"),
        (f"    ip saddr 10.10.0.1 {drops.drop('forged_address')}", "@more_addresses"),
    ):
        assert lines.index(gateway) < next(n for n, line in enumerate(lines) if ranges in line)


def test_with_nobody_there_is_nobody_to_speak():
    assert "add element" not in identities.whole([])


def test_every_drop_on_the_bridge_is_counted(attach):
    told = {"metadata": "Enabled"}
    alone = {"addresses": [], "cidr": None, "gateway": None, "ipv6": IPV6}
    both = [
        firewall.anti_spoofing(attach(**fields).segment) for fields in (told, told | {"ipv6": IPV6}, alone)
    ]
    lines = [line.strip() for line in both[1].splitlines()]
    vlan = {"physical": {"network": "trunk", "vlanID": 100}, "egress": "None"}
    others = [*both, firewall.anti_spoofing(attach(**vlan).segment)]
    ends = [line.strip() for text in others for line in text.splitlines() if line.endswith("goto dropped")]
    assert {int(end.split()[-3]) for end in ends} == set(drops.CAUSES.values())
    # Only the chain that counts drops, and what is not counted there is dropped all the same.
    at = lines.index("chain dropped {")
    assert lines[at + 1 : at + 4] == ["add @dropped { iifname . meta mark }", "drop", "}"]
    found = [line for line in lines if line.endswith(" drop") or line == "drop"]
    # What the node itself sends comes from no NIC.
    answered = "ip saddr 169.254.169.254 oifname . ether daddr . ip daddr"
    answers = f"{answered} != @receivers counter name foreign_answers drop"
    answered6 = "ip6 saddr fd00:ec2::254 meta l4proto tcp oifname . ether daddr . ip6 daddr"
    assert found == ["drop", answers, f"{answered6} != @receivers6 counter name foreign_answers drop"]
    # No number is two causes'.
    assert len(set(drops.CAUSES.values())) == len(drops.CAUSES)


def test_counts_of_a_nic_are_forgotten_in_one_transaction_whatever_was_there():
    add, element, delete = drops.forget(["tapb", "tapa"]).splitlines()
    assert add.startswith("add set bridge orlop dropped {")
    assert element == delete.replace("delete", "add", 1)
    assert element.count('"tapa" . ') == element.count('"tapb" . ') == len(drops.CAUSES)
    assert drops.forget([]) == ""


def test_counts_are_read_by_interface_and_cause():
    elements = [
        {"elem": {"val": {"concat": [tap, number]}, "counter": {"packets": packets, "bytes": 1}}}
        for tap, number, packets in (("tapa", 1, 7), ("tapa", 2, 8), ("vx0", 6, 9), ("tapa", 4000, 1))
    ]
    listed = {"nftables": [{"metainfo": {}}, {"set": {"name": "dropped", "elem": elements}}]}
    assert drops.counted(listed) == {
        "tapa": {"forged_mac": 7, "forged_arp": 8},
        "vx0": {"forged_overlay": 9},
    }
    assert drops.counted({"nftables": [{"set": {"name": "dropped"}}]}) == {}


def test_what_the_kernel_may_not_have_is_not_asked_for(attach):
    """Connection tracking, bridge meta and reject are not in every kernel's bridge family."""
    words = firewall.anti_spoofing(attach().segment).split()
    assert not {"ct", "reject", "ibrname", "obrname"} & set(words)


def test_without_egress_nothing_is_let_out(attach):
    rules = firewall.gateway(attach(egress="None").segment)
    assert "masquerade" not in rules
    assert "up0" not in rules


def test_metadata_is_for_a_nics_own_address_alone(attach):
    one = attach("10.10.0.20", allowed_address_pairs=[{"address": "10.10.0.0/24"}], metadata="Enabled")
    lines = firewall.anti_spoofing(one.segment).splitlines()
    asked = lines.index(f"    ip daddr 169.254.169.254 {drops.drop('foreign_metadata')}")
    assert next(n for n, line in enumerate(lines) if "@addresses accept" in line) < asked
    assert asked < next(n for n, line in enumerate(lines) if "@more_addresses accept" in line)
    who = f'"{one.tap}" . 02:00:10:01:00:14 . 10.10.0.20'
    assert f"add element bridge orlop receivers {{ {who} }}" in identities.whole([one])


def test_nobody_speaks_as_the_metadata_server(attach):
    rules = firewall.anti_spoofing(attach(metadata="Enabled").segment)
    for word in ("arp saddr ip", "ip saddr"):
        assert rules.count(f"    {word} {{ 10.10.0.1, 169.254.169.254 }} meta mark set ") == 2


def test_without_metadata_nothing_is_said_of_it(attach):
    one = attach()
    said = firewall.anti_spoofing(one.segment) + firewall.gateway(one.segment) + identities.whole([one])
    assert "169.254.169.254" not in said
    assert "fd00:ec2" not in said
    assert "receivers" not in said


def test_metadata_by_ipv6_is_where_the_network_has_it(attach):
    both, four = attach(metadata="Enabled", ipv6=IPV6), attach(metadata="Enabled")
    said = firewall.anti_spoofing(both.segment) + firewall.gateway(both.segment)
    assert said.count("fd00:ec2::254") == 6
    assert "fd00:ec2" not in firewall.anti_spoofing(four.segment) + firewall.gateway(four.segment)
    who = f'"{both.tap}" . 02:00:10:01:00:14 . '
    added = next(
        line for line in identities.whole([both]).splitlines() if "element bridge orlop receivers6" in line
    )
    assert added.count(who) == 2
    assert "address add fd00:ec2::254/128 dev brq0 nodad" in {
        line.text for line in links.inside6(both.segment)
    }


def test_a_subnet_of_before_that_holds_the_address_keeps_it(attach):
    mine = {**IPV6, "address": "fd00:ec2::254", "cidr": "fd00:ec2::/64", "gateway": "fd00:ec2::1"}
    one = attach(metadata="Enabled", ipv6=mine)
    assert one.segment.metadata
    assert not one.segment.metadata6
    assert "receivers6" not in identities.whole([one])


def test_one_nic_more_or_less_is_its_own_elements_whatever_others_there_are(attach):
    first = attach("10.10.0.20", uid="uid-1")
    second = attach("10.10.0.21", uid="uid-2", mac_address="02:00:10:01:00:15")
    few, both = identities.elements([first]), identities.elements([first, second])
    assert identities.changes(both, both) == ""
    came, went = identities.changes(few, both), identities.changes(both, few)
    assert came.replace("add element", "delete element") == went
    assert second.tap in came
    assert first.tap not in came
    assert "flush" not in came


def test_ranges_that_change_are_replaced_as_one(attach):
    had, has = (
        attach(allowed_address_pairs=[{"address": each}]) for each in ("10.20.0.0/16", "10.20.1.0/24")
    )
    text = identities.changes(identities.elements([had]), identities.elements([has]))
    for name in ("more_addresses", "more_senders"):
        assert f"flush set bridge orlop {name}\nadd element bridge orlop {name} " in text
    assert "delete" not in text
