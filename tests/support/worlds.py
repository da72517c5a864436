"""Small clouds by chance, with everything in them that the scheduler looks at."""

from hypothesis import strategies as st

from orlop_api.placement import Toleration
from orlop_operator.scheduling import (
    AggregateNeed,
    HardwareNeed,
    Host,
    Offer,
    Physical,
    PhysicalNeed,
    Pin,
    PoolNeed,
    Preference,
    Request,
    Requirement,
    Taint,
    Term,
    Usage,
)

ZONE = "topology.kubernetes.io/zone"
NAMES = st.sampled_from([f"node-{i}" for i in range(9)])
SIZES = st.integers(0, 8).map(lambda n: n << 28)
# Few values, so that many hosts are equal and names have to decide.
USAGES = st.builds(Usage, st.integers(0, 6), SIZES, SIZES)
LABELS = st.dictionaries(st.sampled_from(["k", "l", ZONE]), st.sampled_from(["v", "w", "3", "-12", "x7"]))
EFFECTS = st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"])
TAINT = st.builds(Taint, st.sampled_from("ab"), EFFECTS, st.sampled_from(["", "x"]))


def one_of(*values):
    return st.sampled_from(values)


def mostly(value, *others):
    """That one as a rule, so that there is something left to choose from."""
    return st.sampled_from([value] * 9 + list(others))


def few(strategy, most=1):
    return st.lists(strategy, max_size=most).map(tuple)


OFFERS = st.builds(
    Offer,
    machine_types=mostly(frozenset({"pc", "q35", "pc-q35-7.2"}), frozenset({"pc"})),
    firmwares=mostly(frozenset({"BIOS", "UEFI"}), frozenset({"BIOS"})),
    tpm_versions=mostly(frozenset({"2.0"}), frozenset()),
    cpu_models=mostly(frozenset({"Haswell", "host-model"}), frozenset({"qemu64"})),
    cpu_features=st.frozensets(one_of("aes", "avx", "avx2")),
)
HOSTS = st.builds(
    Host,
    NAMES,
    st.builds(Usage, mostly(16, 0, 8), mostly(16 << 30, 0, 8 << 30), mostly(64 << 30, 8 << 30)),
    ready=mostly(True, False),
    cordoned=mostly(False, True),
    disabled=mostly(None, "", "worn out"),
    weight=one_of(0.0, 0.0, 0.01, -0.5, 1.0),
    labels=LABELS,
    taints=st.one_of(st.just(()), few(TAINT, 2)),
    architecture=mostly("x86_64", "aarch64", None),
    images=st.frozensets(st.sampled_from("ij")),
    pool_id=one_of("p", "q", None),
    shared_pools=st.dictionaries(st.sampled_from(["nfs", "san"]), st.sampled_from("12")),
    physical=st.dictionaries(
        st.just("lab"), st.builds(Physical, one_of(1500, 9000), st.booleans()), max_size=1
    ),
    nic_families=one_of(frozenset(), frozenset({"IPv4", "IPv6"})),
    hardware=st.one_of(OFFERS, OFFERS, OFFERS, st.none()),
)
VALUES = st.lists(one_of("v", "w", "3"), min_size=1).map(tuple)
REQUIREMENTS = st.one_of(
    st.builds(Requirement, one_of("k", ZONE), one_of("In", "NotIn"), VALUES),
    st.builds(Requirement, one_of("k", "l"), one_of("Exists", "DoesNotExist")),
    st.builds(Requirement, one_of("k", "l"), one_of("Gt", "Lt"), one_of(("2",), ("-13",), ("+3",), ("x",))),
)
NAMED = NAMES.map(lambda name: (name,))
FIELDS = st.builds(Requirement, st.just("metadata.name"), one_of("In", "NotIn"), NAMED)
TERMS = st.builds(Term, few(REQUIREMENTS, 2), few(FIELDS))
TOLERATIONS = st.one_of(
    st.builds(Toleration, key=one_of("a", "b"), value=one_of(None, "x")),
    st.builds(
        Toleration,
        key=one_of(None, "a"),
        operator=st.just("Exists"),
        effect=st.one_of(st.none(), EFFECTS),
    ),
)
PHYSICAL = st.builds(
    PhysicalNeed, st.just("lab"), one_of(1450, 9000), st.booleans(), one_of((), (("k", "v"),))
)
WISHES = {
    "memory": SIZES,
    "disk": SIZES,
    "held": st.dictionaries(NAMES, SIZES, min_size=1, max_size=3),
    "node_selector": st.dictionaries(one_of("k", "l"), one_of("v", "w"), min_size=1, max_size=2),
    "affinity": st.lists(TERMS, min_size=1, max_size=2).map(tuple),
    "preferred": st.lists(st.builds(Preference, st.integers(1, 100), TERMS), min_size=1, max_size=3).map(
        tuple
    ),
    "zone": one_of("v", "w"),
    "aggregates": st.lists(
        st.builds(
            AggregateNeed, one_of("gold", "fast"), one_of((("k", "v"),), (("k", "v"), ("l", "3")), (), None)
        ),
        min_size=1,
        max_size=2,
    ).map(tuple),
    "tolerations": few(TOLERATIONS, 2),
    "architecture": one_of("x86_64", "aarch64"),
    "hardware": st.builds(
        HardwareNeed,
        one_of(None, None, "q35", "pc-q35-7.2"),
        one_of(False, True),
        one_of(None, None, "2.0"),
        one_of(None, None, "Haswell", "host-model"),
        st.lists(one_of("aes", "avx"), unique=True).map(tuple),
    ),
    "ipv6_alone": st.just(True),
    "image": st.just("i"),
    "not_given": st.just("PeersDisabled"),
    "pins": st.builds(Pin, st.just("Volume d/v"), NAMES, one_of(None, "p")).map(lambda pin: (pin,)),
    "pools": st.builds(PoolNeed, st.just("nfs"), one_of(None, "1")).map(lambda need: (need,)),
    "physical": PHYSICAL.map(lambda need: (need,)),
    "excluded": st.dictionaries(NAMES, st.just("full"), min_size=1, max_size=3),
    "failed": st.frozensets(NAMES, min_size=1, max_size=3),
}
"""What a request may have beside its size: up to four of them, since whoever asks for everything gets nothing."""


def _asking(names):
    return st.fixed_dictionaries({name: WISHES[name] for name in names})


REQUESTS = (
    st.lists(st.sampled_from(sorted(WISHES)), unique=True, max_size=4)
    .flatmap(_asking)
    .flatmap(
        lambda wishes: st.integers(1, 3).map(lambda vcpus: Request(**{**SMALL, **wishes, "vcpus": vcpus}))
    )
)
SMALL = {"memory": 1 << 30, "disk": 1 << 30}
CLOUDS = st.lists(HOSTS, unique_by=lambda host: host.name, min_size=2, max_size=9)
HELD = st.lists(st.tuples(NAMES, USAGES), max_size=6)
