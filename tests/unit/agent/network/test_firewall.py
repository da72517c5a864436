from orlop_agent.network import firewall, names


def test_identities_replace_all_that_was(attach):
    first = attach("10.10.0.20", uid="uid-1")
    second = attach("10.10.0.21", uid="uid-2", mac_address="02:00:10:01:00:15")
    text = firewall.identities([second, first])
    assert text == firewall.identities([first, second])
    assert text.index("flush set bridge orlop macs\n") < text.index("add element")
    tap = names.tap("uid-2", "eth0")
    assert f'"{tap}" . 02:00:10:01:00:15 . 10.10.0.21' in text
    assert text.index("flush set bridge orlop senders") < text.index("add element")


def test_what_else_a_guest_may_use_is_in_sets_of_ranges_where_nothing_overlaps(attach):
    pairs = [{"address": each} for each in ("10.10.0.100", "10.10.0.96/29", "10.20.0.0/16")]
    one = attach("10.10.0.20", allowed_address_pairs=pairs)
    text = firewall.identities([one])
    who = f'"{one.tap}" . 02:00:10:01:00:14'
    assert (
        f"add element bridge orlop more_addresses {{ {who} . 10.10.0.96/29, {who} . 10.20.0.0/16 }}" in text
    )
    assert f"add element bridge orlop senders {{ {who} . 10.10.0.20 }}" in text


def test_the_gateway_is_refused_before_ranges_are_looked_at(attach):
    lines = firewall.anti_spoofing(attach().segment).splitlines()
    for gateway, ranges in (
        ("    arp saddr ip 10.10.0.1 counter name forged_arp drop", "@more_senders"),
        ("    ip saddr 10.10.0.1 counter name forged_address drop", "@more_addresses"),
    ):
        assert lines.index(gateway) < next(n for n, line in enumerate(lines) if ranges in line)


def test_with_nobody_there_is_nobody_to_speak():
    assert "add element" not in firewall.identities([])


def test_every_drop_on_the_bridge_is_counted(attach):
    rules = firewall.anti_spoofing(attach().segment)
    drops = [line.strip() for line in rules.splitlines() if line.strip().endswith(" drop")]
    assert drops
    assert all("counter name" in drop for drop in drops)
    assert {drop.split("counter name ")[1].split()[0] for drop in drops} == set(firewall.COUNTERS)


def test_what_the_kernel_may_not_have_is_not_asked_for(attach):
    """Connection tracking, bridge meta and reject are not in every kernel's bridge family."""
    words = firewall.anti_spoofing(attach().segment).split()
    assert not {"ct", "reject", "ibrname", "obrname"} & set(words)


def test_without_egress_nothing_is_let_out(attach):
    rules = firewall.gateway(attach(egress="None").segment)
    assert "masquerade" not in rules
    assert "up0" not in rules
