"""A book that was told one Port after the other is the one that is written anew, and so is what was applied of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from hypothesis import given, settings
from hypothesis import strategies as st

from orlop_agent.network import bandwidth, forwarding, groups, resolver, shared
from orlop_agent.network.book import NOTHING, Book, Followed
from orlop_agent.network.forwarding import Peers
from orlop_agent.network.groups import Guard, Known
from orlop_agent.network.guardian import Guardian
from orlop_agent.network.reach import Reach
from orlop_agent.network.segment import Attachment
from orlop_api.assignment import AssignedNic
from orlop_api.port import Port
from support.guarding import EVERYBODY, HOME, by_uid, group

HERE = IPv4Address("192.0.2.1")
GROUPS = by_uid(
    group("web", ingress=[{"securityGroupRef": {"name": "app"}}]),
    group("app", ingress=[{"securityGroupRef": {"name": "web"}}], egress=[EVERYBODY]),
)


def nic(low: int) -> AssignedNic:
    return AssignedNic.model_validate(
        {
            "name": "eth0", "port_name": f"p{low}", "network_uid": "net", "segment_id": 4097,
            "mac_address": f"02:00:10:01:00:0{low}", "addresses": [f"10.10.0.{low}"], "cidr": "10.10.0.0/16",
            "gateway": "10.10.0.1", "mtu": 1450, "dns": ["10.10.0.1"],
            "security": {"namespace": HOME, "groups": ["uid-web"]},
        }
    )  # fmt: skip


NICS = [Attachment.of(f"uid-{low}", "web-1", nic(low)) for low in range(3)]
LOW = st.integers(0, 4)


@st.composite
def ports(draw: st.DrawFn) -> Port:
    """Few names, addresses and nodes, so that they meet; some of it is none."""
    six = draw(st.sampled_from([[], [], ["fd00:10::5"], ["x"]]))
    host = draw(st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3", "nowhere"]))
    name = draw(st.sampled_from(["web-1", "web-2", "localhost", "a.b"]))
    binding = {"instanceName": name, "instanceUID": "u", "nodeName": "n", "hostAddress": host}
    status = {
        "macAddress": draw(st.none() | LOW.map(lambda low: f"02:00:10:01:00:0{low}")),
        "addresses": [f"10.10.{draw(st.integers(0, 1))}.{draw(LOW)}", *six],
        "securityGroups": draw(st.sampled_from([None, [], ["uid-web"], ["uid-app"], ["uid-app", "uid-web"]])),
        "binding": draw(st.sampled_from([None, binding, binding])),
    }
    pairs = draw(st.sampled_from([[], [], [{"address": "10.10.9.0/29"}], [{"address": "x"}]]))
    return Port.model_validate(
        {
            "metadata": {"name": f"p{draw(LOW)}", "namespace": draw(st.sampled_from([HOME, "guest"]))},
            "spec": {"networkRef": {"name": "blue"}, "allowedAddressPairs": pairs},
            "status": draw(st.sampled_from([status, status, status, None])),
        }
    )


@dataclass
class Kept:
    """As Reach, Guardian and Names keep it, without a kernel; the files as they are written."""

    book: Book = field(default_factory=Book)
    beside: Book = field(default_factory=Book)
    peers: Peers = field(default_factory=Peers)
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reach = Reach(None, 4097)  # type: ignore[arg-type]
        self.guardian = Guardian(None, 4097)  # type: ignore[arg-type]
        self.guard: Guard | None = None
        self.names = Followed()

    def look(self, local: int) -> None:
        macs = frozenset(each.mac for each in NICS[:local])
        only = self.reach._only(self.peers, self.book, macs)
        old, new = forwarding.part(self.peers, only), forwarding.wanted(self.book, HERE, macs, only)
        self.peers.change(old, new)
        self.reach._local = macs
        self._guard(local)
        news = self.names.take([self.book])
        addresses = None if news is None else {each for port in news for each in port.addresses}
        found = resolver.hosts(NICS[0].segment, self.book, addresses)
        self.files = {name: text for name, text in {**self.files, **found}.items() if text}

    def _guard(self, local: int) -> None:
        try:
            near = groups.near(NICS[:local], self.book, Known.of(GROUPS), [self.beside])
        except ValueError:
            return
        only = self.guardian._only(self.guard, near, (self.book, self.beside))
        want = groups.far(near, self.book, [self.beside], only)
        old = groups.part(self.guard, only) if self.guard is not None else Guard()
        self.guard = self.guardian._changed(old, want, whole=only is None)


def guard_of(local: int, book: Book, beside: Book) -> Guard | None:
    try:
        return groups.guard(NICS[:local], book, GROUPS, [beside])
    except ValueError:
        return None


def outcome(book: Book, local: int) -> tuple[object, ...]:
    macs = frozenset(each.mac for each in NICS[:local])
    return (
        forwarding.wanted(book, HERE, macs),
        shared.shared(book),
        resolver.hosts(NICS[0].segment, book),
        bandwidth.wanted(NICS, book),
        book.homes,
        sorted(port.key for port in book.wrong),
        sorted(book),
    )


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put", "remove", "replace", "beside", "look"]),
        ports(),
        st.integers(0, 3),
    ),
    max_size=25,
)


@settings(max_examples=400, deadline=None)
@given(STEPS, st.integers(0, 3))
def test_told_one_by_one_it_is_as_written_anew(steps: list[tuple[str, Port, int]], last: int):
    kept = Kept()
    known: dict[str, dict[tuple[str, str], Port]] = {"book": {}, "beside": {}}
    for what, port, local in steps:
        key = (port.metadata.namespace, port.metadata.name)
        match what:
            case "put":
                known["book"][key] = port
                kept.book.put(port)
            case "beside":
                known["beside"][key] = port
                kept.beside.put(port)
            case "remove":
                known["book"].pop(key, None)
                kept.book.remove(key)
            case "replace":
                known["book"] = {key: port}
                kept.book.replace([port])
            case _:
                kept.look(local)
    anew, beside = (Book.of(reversed(known[which].values())) for which in ("book", "beside"))
    assert outcome(kept.book, last) == outcome(anew, last)
    kept.look(last)
    assert kept.peers == forwarding.wanted(anew, HERE, frozenset(each.mac for each in NICS[:last]))
    assert kept.files == resolver.hosts(NICS[0].segment, anew)
    guard = guard_of(last, anew, beside)
    if guard is not None:
        assert kept.guard == guard


def member(low: int) -> Port:
    binding = {"instanceName": "w", "instanceUID": "u", "nodeName": "n", "hostAddress": "192.0.2.9"}
    status = {"macAddress": f"02:00:10:09:00:{low:02x}", "addresses": [f"10.10.9.{low}"], "binding": binding}
    return Port.model_validate(
        {
            "metadata": {"name": f"m{low}", "namespace": HOME, "resourceVersion": str(low)},
            "spec": {"networkRef": {"name": "blue"}},
            "status": status,
        }
    )


def test_who_follows_is_told_what_came_went_and_changed_and_nothing_else():
    book, followed = Book.of([member(1)]), Followed()
    assert followed.take([book]) is None
    assert followed.take([book]) == []
    book.put(member(2))
    book.remove((HOME, "m1"))
    book.put(member(2).model_copy(update={"metadata": member(3).metadata.model_copy(update={"name": "m2"})}))
    assert [port.key[1] for port in followed.take([book]) or ()] == ["m2", "m1"]
    assert followed.take([book, NOTHING]) is None


def test_more_news_than_ports_is_a_look_at_all_of_them():
    book, followed = Book(), Followed()
    followed.take([book])
    for _ in range(100):
        book.put(member(1))
        book.remove((HOME, "m1"))
    assert followed.take([book]) is None
    assert followed.take([book]) == []


def test_who_does_not_follow_any_more_costs_nothing():
    book = Book()
    followed: Mapping[str, Followed] | None = {"one": Followed()}
    assert followed is not None
    followed["one"].take([book])
    assert len(book._followers) == 1
    followed = None
    assert len(book._followers) == 0
