"""One decision at a time: who is chosen, and what the sentence says when nobody is."""

from dataclasses import replace

import pytest

from orlop_api.placement import Toleration
from orlop_operator.scheduling import (
    HardwareNeed,
    Host,
    Offer,
    Pin,
    Placement,
    PoolNeed,
    Request,
    Requirement,
    Taint,
    Term,
    Unplaceable,
    Usage,
    World,
    place,
)

GI = 2**30
ROOM = Usage(vcpus=8, memory=16 * GI, disk=100 * GI)
SMALL = Request(vcpus=1, memory=GI, disk=5 * GI)


def host(name: str, capacity: Usage = ROOM, **facts: object) -> Host:
    return Host(name, capacity, architecture="x86_64", **facts)  # type: ignore[arg-type]


def request(**changes: object) -> Request:
    return Request(**{"vcpus": 1, "memory": GI, "disk": 5 * GI, **changes})  # type: ignore[arg-type]


def refused(wanted: Request, *hosts: Host) -> str:
    answer = place(wanted, World(hosts))
    assert isinstance(answer, Unplaceable)
    return answer.message


def chosen(wanted: Request, world: World) -> str:
    answer = place(wanted, world)
    assert isinstance(answer, Placement), answer
    return answer.node


def test_nothing_to_choose_from() -> None:
    assert refused(SMALL) == "no hypervisor: label a node with orlop.dev/hypervisor=true"


ZONE = "topology.kubernetes.io/zone"
FAST = Term(
    (
        Requirement("disk", "In", ("ssd", "nvme")),
        Requirement("old", "DoesNotExist"),
        Requirement("size", "Gt", ("3",)),
    )
)
TAINT = Taint("dedicated", "NoSchedule", "db")
PLAIN = Offer(
    machine_types=frozenset({"pc"}),
    firmwares=frozenset({"BIOS"}),
    cpu_models=frozenset({"qemu64"}),
    cpu_features=frozenset({"aes"}),
)
BLAME = [
    (SMALL, host("a", ready=False, reason="NodeUnreachable"), "not ready (NodeUnreachable)"),
    (SMALL, host("a", cordoned=True), "cordoned"),
    (
        request(pins=(Pin("Volume demo/data", "b"),)),
        host("a"),
        "Volume demo/data is on b",
    ),
    (
        request(pins=(Pin("Volume demo/data", "a", "pool-1"),)),
        host("a", pool_id="pool-2"),
        "Volume demo/data was in another data pool of a, which is gone",
    ),
    (SMALL, host("a", disabled="new disks"), "disabled (new disks)"),
    (SMALL, host("a", disabled=""), "disabled"),
    (request(zone="b"), host("a", labels={ZONE: "a"}), "in zone a (need zone b)"),
    (request(zone="b"), host("a"), "in no zone (need zone b)"),
    (request(node_selector={"zone": "b"}), host("a"), "node selector zone=b does not match"),
    (
        request(affinity=(FAST, Term((), (Requirement("metadata.name", "NotIn", ("a",)),)))),
        host("a", labels={"disk": "hdd"}),
        "node affinity disk in (ssd, nvme) and !old and size > 3 or metadata.name not in (a) does not match",
    ),
    (SMALL, host("a", taints=(TAINT,)), "taint dedicated=db:NoSchedule is not tolerated"),
    (
        SMALL,
        host("a", taints=(Taint("gone", "NoExecute"),)),
        "taint gone:NoExecute is not tolerated",
    ),
    (request(architecture="aarch64"), host("a"), "architecture x86_64 (need aarch64)"),
    (request(hardware=HardwareNeed("q35")), host("a", hardware=PLAIN), "offer no machine type q35"),
    (request(hardware=HardwareNeed(uefi=True)), host("a", hardware=PLAIN), "have no UEFI firmware"),
    (request(hardware=HardwareNeed(tpm="2.0")), host("a", hardware=PLAIN), "have no TPM 2.0"),
    (
        request(hardware=HardwareNeed(cpu_model="Skylake-Server")),
        host("a", hardware=PLAIN),
        "CPU model Skylake-Server is not usable",
    ),
    (
        request(hardware=HardwareNeed(cpu_features=("aes", "avx512f", "sgx"))),
        host("a", hardware=PLAIN),
        "CPU lacks avx512f, sgx",
    ),
    (
        request(hardware=HardwareNeed(tpm="2.0")),
        host("a"),
        "have an agent that does not say what hardware it offers (upgrade it)",
    ),
    (
        request(image="i", not_given="NodeUnreachable"),
        host("a"),
        "without the image, which no node gives now (NodeUnreachable)",
    ),
    (
        request(excluded={"a": "not enough memory"}),
        host("a"),
        "refused (not enough memory)",
    ),
    (request(vcpus=9), host("a"), "not enough vCPUs (need 9, most free 8 on a)"),
    (request(memory=64 * GI), host("a"), "not enough memory (need 64Gi, most free 16Gi on a)"),
    (request(disk=200 * GI), host("a"), "not enough disk (need 200Gi, most free 100Gi on a)"),
]


@pytest.mark.parametrize(("wanted", "only", "why"), BLAME, ids=[why for *_, why in BLAME])
def test_each_filter_says_why(wanted: Request, only: Host, why: str) -> None:
    assert refused(wanted, only) == f"0/1 hypervisor: 1 {why}"


def test_an_image_that_nobody_gives_runs_where_it_is() -> None:
    world = World([host("a"), host("b", images=frozenset("i")), host("c")])
    assert chosen(request(image="i", not_given="PeersDisabled"), world) == "b"


def test_reasons_are_counted_and_the_largest_group_comes_first() -> None:
    hosts = [host(f"small-{i}", Usage(8, (4 + i) * GI, 100 * GI)) for i in range(3)]
    hosts += [
        host("z", cordoned=True),
        host("y", labels={"zone": "a"}),
        host("x", ready=False, cordoned=True),
    ]
    for index in range(3):
        hosts[index] = host(hosts[index].name, hosts[index].capacity, labels={"zone": "b"})
    assert refused(request(memory=8 * GI, node_selector={"zone": "b"}), *hosts) == (
        "0/6 hypervisors: 3 not enough memory (need 8Gi, most free 6Gi on small-2), "
        "1 not ready (Unknown), 1 cordoned, 1 node selector zone=b does not match"
    )


def test_the_nearest_miss_counts_what_is_held() -> None:
    world = World([host("a"), host("b")])
    world.hold("x", "a", Usage(memory=10 * GI))
    world.hold("y", "b", Usage(memory=12 * GI))
    answer = place(request(memory=8 * GI), world)
    assert isinstance(answer, Unplaceable)
    assert "need 8Gi, most free 6Gi on a" in answer.message


@pytest.mark.parametrize("resource", ["memory", "disk"])
def test_who_needs_nothing_of_what_is_overfull_fits(resource: str) -> None:
    world = World([host("a")])
    world.hold("x", "a", Usage(memory=17 * GI, disk=101 * GI))
    wanted = request(memory=0, disk=0)
    assert chosen(wanted, world) == "a"
    answer = place(replace(wanted, **{resource: 1}), world)
    assert isinstance(answer, Unplaceable)
    assert f"not enough {resource}" in answer.message


def test_what_is_held_for_the_request_is_not_in_its_way() -> None:
    world = World([host("a"), host("b", Usage(8, 16 * GI, 60 * GI))])
    world.hold("volume", "a", Usage(disk=80 * GI))
    wanted = request(disk=85 * GI, held={"a": 80 * GI, "gone": GI})
    assert chosen(wanted, world) == "a"
    assert (wanted.usage_on("a").disk, wanted.usage_on("b").disk) == (5 * GI, 85 * GI)
    world.hold("x", "a", Usage(disk=16 * GI))
    answer = place(wanted, world)
    assert isinstance(answer, Unplaceable)
    assert "not enough disk (need 85Gi, most free 84Gi on a)" in answer.message


def test_a_message_fits_the_api_whatever_there_is() -> None:
    hosts = [host(f"n{i}", taints=(Taint(f"only-for-team-{i}", "NoSchedule"),)) for i in range(500)]
    message = refused(SMALL, *hosts)
    assert len(message) <= 1024
    assert message.endswith("for other reasons")


def test_the_first_reason_is_cut_rather_than_left_out() -> None:
    names = tuple(f"{number:02}-{'x' * 30}" for number in range(32))
    wanted = Term((Requirement("kubernetes.io/hostname", "In", names),))
    small = request(affinity=(wanted,))
    message = refused(small, host("a"), host("b"))
    assert message.startswith("0/2 hypervisors: 2 node affinity kubernetes.io/hostname in (00-xxx")
    assert message.endswith("…")
    assert len(message) <= 1024
    message = refused(small, host("a"), host("b"), host("c", cordoned=True))
    assert message.startswith("0/3 hypervisors: 2 node affinity kubernetes.io/hostname in (00-xxx")
    assert message.endswith("…, 1 for other reasons")
    assert len(message) <= 1024


def test_spreads() -> None:
    world = World([host("a"), host("b"), host("c")])
    placed = []
    for number in range(6):
        node = chosen(SMALL, world)
        world.hold(str(number), node, SMALL.usage)
        placed.append(node)
    assert sorted(placed) == ["a", "a", "b", "b", "c", "c"]


def test_the_scarcest_resource_decides() -> None:
    world = World([host("a"), host("b")])
    world.hold("x", "a", Usage(vcpus=4))
    world.hold("y", "b", Usage(memory=7 * GI, disk=10 * GI))
    assert chosen(SMALL, world) == "b"


def test_an_image_in_the_cache_breaks_the_tie_but_does_not_heap() -> None:
    world = World([host("a"), host("b", images=frozenset({"sha256:x"}))])
    wanted = request(image="sha256:x")
    first = chosen(wanted, world)
    world.hold("1", first, wanted.usage)
    assert (first, chosen(wanted, world)) == ("b", "a")


def test_alternates_are_the_next_best() -> None:
    world = World([host("a"), host("b"), host("c"), host("d"), host("e")])
    world.hold("x", "a", Usage(vcpus=1))
    world.hold("y", "b", Usage(vcpus=2))
    assert place(SMALL, world) == Placement("c", ("d", "e", "a"))


def test_soft_taints_only_when_nothing_else_will_do() -> None:
    soft = Taint("spare", "PreferNoSchedule")
    world = World([host("a", taints=(soft,)), host("b")])
    world.hold("x", "b", Usage(vcpus=7))
    assert chosen(SMALL, world) == "b"
    world.hold("x", "b", Usage(vcpus=8))
    assert chosen(SMALL, world) == "a"
    world.drop("x")
    tolerant = request(tolerations=(Toleration(key="spare", operator="Exists"),))
    assert chosen(tolerant, world) == "a"


@pytest.mark.parametrize(
    ("toleration", "tolerated"),
    [
        (Toleration(key="dedicated", value="db"), True),
        (Toleration(key="dedicated", value="web"), False),
        (Toleration(key="dedicated", operator="Exists"), True),
        (Toleration(operator="Exists"), True),
        (Toleration(key="other", operator="Exists"), False),
        (Toleration(key="dedicated", value="db", effect="NoSchedule"), True),
        (Toleration(key="dedicated", value="db", effect="NoExecute"), False),
    ],
)
def test_tolerations(toleration: Toleration, *, tolerated: bool) -> None:
    answer = place(request(tolerations=(toleration,)), World([host("a", taints=(TAINT,))]))
    assert isinstance(answer, Placement) == tolerated


def test_a_shared_pool_takes_the_instance_where_it_is_mounted() -> None:
    world = World(
        [
            host("a"),
            host("b", shared_pools={"nfs-a": "p-2"}),
            host("c", shared_pools={"nfs-a": "p-1", "nfs-b": "p-9"}),
            host("d"),
        ]
    )
    assert chosen(request(pools=(PoolNeed("nfs-a", "p-1"),)), world) == "c"
    assert chosen(request(pools=(PoolNeed("nfs-a"), PoolNeed("nfs-b"))), world) == "c"
    answer = place(request(pools=(PoolNeed("nfs-a", "p-3"),)), world)
    assert isinstance(answer, Unplaceable)
    assert answer.message == (
        "0/4 hypervisors: 2 have no shared pool nfs-a, 2 have another shared pool nfs-a than the data is in"
    )
