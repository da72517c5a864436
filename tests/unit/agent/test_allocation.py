"""What a node gives to guests follows from what it has and the ratios that hold for it."""

from orlop_agent.allocation import Allocation
from orlop_agent.ledger import Ledger, Slot
from orlop_api.capacity import Capacity, Ratios

GI = 1 << 30
HAS = Capacity(vcpus=8, memory_bytes=16 * GI, disk_bytes=100 * GI)


def test_without_a_word_only_vcpus_are_overcommitted() -> None:
    allocation = Allocation(4.0)
    assert allocation.ratios() == Ratios(vcpus="4", memory="1", disk="1")
    assert allocation.of(HAS) == Capacity(vcpus=32, memory_bytes=16 * GI, disk_bytes=100 * GI)


def test_each_ratio_that_is_said_takes_the_place_of_the_nodes_own() -> None:
    allocation = Allocation(4.0)
    allocation.follow(Ratios(memory="1.5", disk="0.1"))
    assert allocation.ratios() == Ratios(vcpus="4", memory="1.5", disk="0.1")
    assert allocation.of(HAS) == Capacity(vcpus=32, memory_bytes=24 * GI, disk_bytes=10 * GI)
    allocation.follow(Ratios(vcpus="16"))
    assert allocation.of(HAS) == Capacity(vcpus=128, memory_bytes=16 * GI, disk_bytes=100 * GI)
    allocation.follow(None)
    assert allocation.ratios() == Ratios(vcpus="4", memory="1", disk="1")


def test_parts_of_a_vcpu_and_of_a_mebibyte_are_nobodys() -> None:
    allocation = Allocation(1.1)
    given = allocation.of(Capacity(vcpus=3, memory_bytes=(1 << 20) - 1, disk_bytes=3 << 20))
    assert given == Capacity(vcpus=3, memory_bytes=0, disk_bytes=3 << 20)


def test_whoever_waits_for_room_is_told_once_for_each_change() -> None:
    told = []
    allocation = Allocation()
    allocation.listen(lambda: told.append(allocation.ratios().vcpus))
    for ratio in ("2", "2", "8"):
        allocation.follow(Ratios(vcpus=ratio))
    assert told == ["2", "8"]


def test_a_lower_ratio_ends_nothing_and_lets_nothing_new_in() -> None:
    allocation = Allocation(2.0)
    ledger = Ledger(lambda: allocation.of(HAS))
    for number in range(16):
        assert ledger.shortage(f"{number}", Slot(1, 1, 1)) is None
        ledger.take(f"{number}", Slot(1, 1, 1))
    allocation.follow(Ratios(vcpus="1"))
    assert all(ledger.holds(f"{number}") for number in range(16))
    assert ledger.shortage("new", Slot(1, 1, 1)) == "not enough vCPUs: need 1, free 0"
    for number in range(8):
        ledger.release(f"{number}")
    assert ledger.shortage("new", Slot(1, 1, 1)) == "not enough vCPUs: need 1, free 0"
    ledger.release("8")
    assert ledger.shortage("new", Slot(1, 1, 1)) is None


def test_a_node_that_grew_takes_what_it_reports_and_tells_whoever_waits() -> None:
    told = []
    allocation = Allocation(2.0)
    allocation.measured(HAS)
    allocation.listen(lambda: told.append(allocation.given().disk_bytes))
    ledger = Ledger(allocation.given)
    assert ledger.shortage("new", Slot(1, 1, 150 * GI)) == "not enough disk: need 150Gi, free 100Gi"
    more = HAS.model_copy(update={"disk_bytes": 200 * GI})
    assert allocation.measured(more) == allocation.given() == allocation.of(more)
    assert ledger.shortage("new", Slot(1, 1, 150 * GI)) is None
    # The same again, and less, is no room for anybody.
    allocation.measured(more)
    allocation.measured(HAS)
    assert told == [200 * GI]
    assert ledger.shortage("new", Slot(1, 1, 150 * GI)) == "not enough disk: need 150Gi, free 100Gi"
