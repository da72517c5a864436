from orlop_agent.network import firewall, names


def test_identities_replace_all_that_was(attach):
    first = attach("10.10.0.20", uid="uid-1")
    second = attach("10.10.0.21", uid="uid-2", mac_address="02:00:10:01:00:15")
    text = firewall.identities([second, first])
    assert text == firewall.identities([first, second])
    assert text.startswith("flush set bridge orlop macs\n")
    tap = names.tap("uid-2", "eth0")
    assert f'"{tap}" . 02:00:10:01:00:15 . 10.10.0.21' in text
    assert text.index("flush set bridge orlop senders") < text.index("add element")


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
