"""What SecurityGroups mean on a node, and what of it changes."""

from ipaddress import IPv4Address

import pytest

from orlop_agent.network import group_rules, groups
from orlop_agent.network.book import NOTHING, Book
from orlop_agent.network.groups import Guard, Rules
from orlop_api.port import Port
from support.guarding import EVERYBODY, by_uid, group

WEB = group("web", ingress=[{"protocol": "TCP", "port": 80, "securityGroupRef": {"name": "app"}}])


def port(name="port", *names, mac="02:00:10:01:00:14", address="10.10.0.20", known=True):
    status = {"macAddress": mac, "addresses": [address]}
    if known:
        status["securityGroups"] = [f"uid-{each}" for each in names]
    meta = {"name": name, "namespace": "demo", "uid": name}
    return Port.model_validate({"metadata": meta, "spec": {"networkRef": {"name": "blue"}}, "status": status})


def ordered(*names):
    return {"namespace": "demo", "groups": [f"uid-{name}" for name in names]}


@pytest.mark.parametrize(
    ("rule", "ingress"),
    [
        (EVERYBODY, "meta nfproto ipv4 accept"),
        ({"cidr": "10.0.0.0/8"}, "ct original ip saddr 10.0.0.0/8 accept"),
        ({"protocol": "TCP", **EVERYBODY}, "meta nfproto ipv4 meta l4proto tcp accept"),
        (
            {"protocol": "UDP", "port": 53, **EVERYBODY},
            "meta nfproto ipv4 meta l4proto udp ct reply proto-src 53 accept",
        ),
        (
            {"protocol": "TCP", "port": 80, "endPort": 89, "cidr": "192.0.2.7/32"},
            "ct original ip saddr 192.0.2.7/32 meta l4proto tcp ct reply proto-src 80-89 accept",
        ),
        ({"protocol": "ICMP", **EVERYBODY}, "meta nfproto ipv4 meta l4proto icmp accept"),
        (
            {"protocol": "ICMP", "icmpType": "EchoRequest", **EVERYBODY},
            "meta nfproto ipv4 icmp type { echo-request, echo-reply } accept",
        ),
        ({"securityGroupRef": {"name": "web"}}, "ct original ip saddr @of_uid-web accept"),
    ],
)
def test_a_rule_is_about_who_began_the_connection(attach, rule, ingress):
    known = by_uid(group("web", ingress=[rule], egress=[rule]))
    found = groups.guard([attach(security=ordered("web"))], NOTHING, known).rules["uid-web"]
    egress = ingress.replace("saddr", "daddr").replace("reply proto-src", "original proto-dst")
    assert found == Rules((ingress,), (egress,))


def test_a_rule_that_names_nobody_allows_nobody(attach):
    found = groups.guard([attach(security=ordered("web"))], NOTHING, by_uid(WEB))
    assert found.rules["uid-web"].ingress == ()
    assert found.members == {}


def test_a_group_that_is_not_known_allows_nothing(attach):
    found = groups.guard([attach(security=ordered("web"))], NOTHING, {})
    assert found.nics == {IPv4Address("10.10.0.20"): ("uid-web",)}
    assert found.rules == {"uid-web": Rules()}


@pytest.mark.parametrize(
    ("told", "in_force"),
    [
        ([], ("uid-old",)),
        ([port(known=False)], ("uid-old",)),
        ([port("another", "new")], ("uid-old",)),
        # Of that name, but another NIC's.
        ([port("port", "new", mac="02:00:10:01:00:99")], ("uid-old",)),
        ([port("port", "new", "more")], ("uid-more", "uid-new")),
        ([port("port")], ()),
    ],
    ids=["no Port", "an old operator's", "another", "not its own", "changed since", "none since"],
)
def test_the_port_says_more_than_the_order(attach, told, in_force):
    assert groups.in_force(attach(security=ordered("old")), Book.of(told)) == in_force


def test_an_order_of_an_old_operator_is_in_no_group(attach):
    assert groups.guard([attach()], Book.of([port(known=False)]), {}) == Guard()


def test_members_are_those_whose_group_a_rule_names(attach):
    ports = [port("a", "app", address="10.10.0.30"), port("b", "web", address="10.10.0.31")]
    known = by_uid(WEB, group("app"))
    found = groups.guard([attach(security=ordered("web"))], Book.of(ports), known)
    assert found.members == {"uid-app": frozenset({IPv4Address("10.10.0.30")})}


def test_connections_are_known_where_anybody_is_judged(attach):
    assert not groups.guard([attach()], Book.of([port()]), {}).watched
    assert groups.guard([attach()], Book.of([port("elsewhere", "web")]), {}).watched


def test_nothing_but_a_uid_reaches_a_ruleset(attach):
    evil = attach(security={"namespace": "demo", "groups": ["x } ; flush ruleset"]})
    with pytest.raises(ValueError, match="is not a uid"):
        groups.guard([evil], NOTHING, {})


def state(attach, *names, members=(), web=WEB):
    ports = [port(f"m{low}", "app", address=f"10.10.0.{low}") for low in members]
    nics = [attach(security=ordered(*names))] if names else []
    return groups.guard(nics, Book.of(ports), by_uid(web, group("app")))


def test_the_same_is_no_change(attach):
    assert group_rules.changes(state(attach, "web"), state(attach, "web")) == ""


def test_one_more_member_of_thousands_is_one_element(attach):
    many = range(30, 230)
    have, want = state(attach, "web", members=many), state(attach, "web", members=[*many, 250])
    assert group_rules.changes(have, want) == "add element inet orlop_groups of_uid-app { 10.10.0.250 }\n"
    assert group_rules.changes(want, have) == "delete element inet orlop_groups of_uid-app { 10.10.0.250 }\n"


def test_one_more_nic_with_the_same_groups_is_elements_only(attach):
    second = attach("10.10.0.21", uid="uid-2", mac_address="02:00:10:01:00:15", security=ordered("web"))
    first = attach(security=ordered("web"))
    have, want = (groups.guard(nics, NOTHING, by_uid(WEB)) for nics in ([first], [first, second]))
    lines = group_rules.changes(have, want).splitlines()
    assert [line.split(" {")[0] for line in lines] == [
        "add element inet orlop_groups egress",
        "add element inet orlop_groups ingress",
        "add element inet orlop_groups guarded",
        "add element bridge orlop_groups owned",
        "add element bridge orlop_groups addresses",
        "add element bridge orlop_groups taps",
    ]


def test_a_changed_rule_replaces_one_chain(attach):
    other = group("web", ingress=[EVERYBODY])
    text = group_rules.changes(state(attach, "web"), state(attach, "web", web=other))
    assert text.splitlines()[:2] == [
        "flush chain inet orlop_groups in_uid-web",
        "add rule inet orlop_groups in_uid-web meta nfproto ipv4 goto allowed",
    ]
    assert "out_uid-web" not in text
    assert text.splitlines()[2:] == [
        "delete set inet orlop_groups of_uid-app",
        "delete set inet orlop_groups of_uid-app_6",
    ]


def test_what_nothing_leads_to_goes_last(attach):
    lines = group_rules.changes(state(attach, "web"), state(attach)).splitlines()
    verbs = [line.split()[0:2] for line in lines]
    first_chain = verbs.index(["delete", "chain"])
    assert all(verb[1] in {"chain", "set"} for verb in verbs[first_chain:])
    assert all(verb == ["delete", "element"] for verb in verbs[:first_chain])


def test_every_drop_is_counted(attach):
    text = group_rules.whole(state(attach, "web"), ())
    drops = [line for line in text.splitlines() if line.endswith(" drop")]
    assert len(drops) == 14
    assert all("counter name" in line for line in drops)


def test_what_is_allowed_already_passes_by_the_number_of_the_rules_in_force():
    lines = group_rules.judged(7).splitlines()
    for chain in ("sent", "received"):
        mine = [line for line in lines if line.split()[4] == chain]
        assert mine[:2] == [
            f"flush chain inet orlop_groups {chain}",
            f"add rule inet orlop_groups {chain} ct mark 0x7 accept",
        ]
    said = [line.split("sent ", 1)[1] for line in lines if "meta mark set" in line]
    assert said == ["meta mark set 0x7"]
    assert lines[-1] == "add rule inet orlop_groups received goto allowed"


def test_the_number_is_read_from_what_nft_lists():
    mark = {"match": {"op": "==", "left": {"ct": {"key": "mark"}}, "right": 9}}
    rule = {"family": "inet", "table": "orlop_groups", "chain": "sent", "expr": [mark, {"accept": None}]}
    assert group_rules.number_of(rule) == 9
    assert group_rules.number_of(rule | {"chain": "received"}) is None
    assert group_rules.number_of(rule | {"table": "other"}) is None
    assert group_rules.number_of(rule | {"expr": [{"accept": None}]}) is None
