"""Whatever two operators, users and a node do with Volumes and VolumeSnapshots: never over, and nobody is forgotten."""

from collections.abc import Callable

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orlop_api.quantity import to_bytes
from support.looks import Looks
from support.racing import KINDS
from support.replica import Operator
from support.storing import Storage

LIMITS = {"volumes": 3, "storage": "6Gi", "volumeSnapshots": 2}
MOST = {"volumes": 3, "storage": 6 << 30, "volumeSnapshots": 2}
VOLUMES = ["v0", "v1", "v2", "v3"]
SNAPSHOTS = ["s0", "s1", "s2", "s3"]
HEARD = ["Volume", "VolumeSnapshot", "Quota", "Hypervisor", "Volume"]


class Run(Looks):
    """A world with the looks that are under way."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Storage(LIMITS)
        self.operators = (Operator(self.world), Operator(self.world))
        for name in VOLUMES[:2]:
            self.world.volume(name, "1Gi")
        self.rounds(3)
        for kind in KINDS:
            self.operators[1].hear(kind, 1000)

    def check(self) -> None:
        kept = self.world.kept()
        assert all(kept[name] <= most for name, most in MOST.items()), kept

    def steps(self, which: int, side: int, kind: str) -> list[Callable[[], object]]:
        """All that may happen next, for these choices."""
        world, operator, volume, snapshot = (
            self.world, self.operators[side], VOLUMES[which], SNAPSHOTS[which]
        )  # fmt: skip
        return [
            lambda: world.volume(volume, "2Gi" if which % 2 else "1Gi"),
            lambda: world.grow(volume, "2Gi"),
            lambda: world.grow(volume, "3Gi"),
            lambda: world.snapshot(snapshot, VOLUMES[which // 2]),
            lambda: world.delete(("Volume", "demo", volume)),
            lambda: world.delete(("VolumeSnapshot", "demo", snapshot)),
            world.node_stores,
            lambda: operator.hear(kind),
            lambda: operator.hear(kind, 5),
            lambda: self.looks.append(operator.volume_look(volume)),
            lambda: self.looks.append(operator.snapshot_look(snapshot)),
            lambda: self.looks.append(operator.quota_look()),
            lambda: self.go(0),
            lambda: self.go(1),
            lambda: self.whole(operator.quota_look()),
            lambda: [self.whole(operator.volume_look(each)) for each in VOLUMES],
            lambda: [self.whole(operator.snapshot_look(each)) for each in SNAPSHOTS],
            lambda: [operator.hear(each, 1000) for each in KINDS],
        ]

    def settle(self) -> None:
        """All that was begun ends, then the first operator is alone and nothing is late any more."""
        self.finish()
        self.rounds(12)

    def rounds(self, count: int) -> None:
        for _ in range(count):
            self.world.node_stores()
            for kind in KINDS:
                self.operators[0].hear(kind, 1000)
            self.whole(self.operators[0].quota_look())
            for volume, snapshot in zip(VOLUMES, SNAPSHOTS, strict=True):
                self.whole(self.operators[0].volume_look(volume))
                self.whole(self.operators[0].snapshot_look(snapshot))
            self.check()


def judge_end(run: Run) -> None:
    """Whoever lacks something says so, and the first of them does not fit; the ledger is what there is."""
    world = run.world
    reserved = world.objects["Quota", "demo", "default"]["status"]["used"]
    used = {name: int(number) for name, number in reserved.items() if name in MOST and name != "storage"}
    used["storage"] = to_bytes(reserved["storage"])
    kept, waits, lost = world.kept(), [], 0
    for kind, resource in (("Volume", "volumes"), ("VolumeSnapshot", "volumeSnapshots")):
        for name, body in world.there(kind).items():
            assert "deletionTimestamp" not in body["metadata"], (name, body)
            said = {c["type"]: c for c in body["status"]["conditions"]}
            has = world.data.get(body["metadata"]["uid"])
            size = to_bytes(body["spec"]["size"]) if kind == "Volume" else None
            if has is not None and (size is None or has >= size):
                assert said["Ready"]["status"] == "True", (name, said)
                assert "QuotaReserved" not in said
                continue
            if kind == "VolumeSnapshot" and said["Ready"]["reason"] in {"VolumeNotFound", "VolumeNotReady"}:
                # What was reserved for it before its Volume went, or it failed, is its until somebody deletes it.
                lost += 1
                continue
            assert said["QuotaReserved"]["reason"] == "QuotaExceeded", (name, said)
            more = 0 if has is not None else 1
            waits.append((body["metadata"]["creationTimestamp"], resource, more, size and size - (has or 0)))
    assert used["volumes"] == kept["volumes"]
    assert kept["volumeSnapshots"] <= used["volumeSnapshots"] <= kept["volumeSnapshots"] + lost
    assert kept["storage"] <= used["storage"] <= MOST["storage"]
    for _, resource, more, size in sorted(waits, key=lambda each: each[0])[:1]:
        if size is not None:
            full = used[resource] + more > MOST[resource] or used["storage"] + size > MOST["storage"]
            assert full, f"a {resource} could have gone on: {used}"


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@example(choices=[(3, 2, 0), (4, 1, 0)])
@given(choices=st.lists(st.tuples(st.integers(0, 17), st.integers(0, 3), st.integers(0, 9)), max_size=120))
def test_never_over_and_nobody_is_forgotten(choices: list[tuple[int, int, int]]) -> None:
    run = Run()
    for step, which, more in choices:
        run.steps(which, more % 2, HEARD[more // 2])[step]()
        run.check()
    run.settle()
    judge_end(run)


def test_a_volume_does_not_grow_between_the_reservation_for_its_copy_and_the_copy() -> None:
    """The copy would be larger than what is reserved for it, and nobody could take that back."""
    run = Run()
    world, [first, second] = run.world, run.operators
    world.snapshot("s0", "v0")
    for kind in KINDS:
        first.hear(kind, 1000)
    run.whole(first.quota_look())
    run.whole(first.snapshot_look("s0"))
    # Ordered, and not taken; the second operator knows of the reservation alone.
    world.grow("v0", "3Gi")
    for kind in ("Volume", "Quota", "Hypervisor"):
        second.hear(kind, 1000)
    facts = world.objects["Quota", "demo", "default"]["status"]["used"]
    run.whole(second.quota_look())
    assert world.objects["Quota", "demo", "default"]["status"]["used"] == facts, "it does not grow"
    run.settle()
    sizes = [world.data[world.objects[kind, "demo", name]["metadata"]["uid"]] >> 30
             for kind, name in (("VolumeSnapshot", "s0"), ("Volume", "v0"))]  # fmt: skip
    assert sizes == [1, 3], "taken first, and grown then"
