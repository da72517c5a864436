"""What leaves the image cache, and what never does."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop_agent.image.bases import bases
from orlop_agent.image.evict import Cached, Limits, to_evict

DAY = 86400.0
NOW = 1000 * DAY
LIMITS = Limits(capacity=100, max_age=30 * DAY)

DIGESTS = st.sampled_from([f"sha256:{letter * 64}" for letter in "0123456789abcdef"])
CACHES = st.lists(
    st.builds(Cached, DIGESTS, st.integers(0, 60), st.floats(NOW - 60 * DAY, NOW + DAY)),
    unique_by=lambda file: file.digest,
)
USES = st.sets(DIGESTS)
BYTES = st.integers(0, 200)


def total(files):
    return sum(file.size for file in files)


@given(CACHES, USES, BYTES, BYTES)
def test_what_is_in_use_never_goes_and_what_is_over_the_limits_does(cached, in_use, incoming, short):
    gone = to_evict(cached, in_use, LIMITS, NOW, incoming=incoming, short=short)
    assert len(set(gone)) == len(gone)
    assert not set(gone) & in_use
    left = [file for file in cached if file.digest not in gone]
    if total(left) + incoming > LIMITS.capacity or total(cached) - total(left) < short:
        assert {file.digest for file in left} <= in_use, "nothing else could have gone"
    assert all(NOW - file.used_at <= LIMITS.max_age for file in left if file.digest not in in_use)


@given(CACHES, USES, BYTES, BYTES)
def test_the_longest_unused_go_first_and_no_more_than_needed(cached, in_use, incoming, short):
    by_digest = {file.digest: file for file in cached}
    gone = [by_digest[d] for d in to_evict(cached, in_use, LIMITS, NOW, incoming=incoming, short=short)]
    kept = [file for file in cached if file not in gone and file.digest not in in_use]
    assert all(went.used_at <= stays.used_at for went in gone for stays in kept)
    young = [file for file in gone if NOW - file.used_at <= LIMITS.max_age]
    if young:
        before = gone[: gone.index(young[-1])]
        over = total(cached) - total(before) + incoming > LIMITS.capacity
        assert over or total(before) < short, "the last that went was needed"


@given(CACHES, USES)
def test_the_answer_does_not_depend_on_the_order_of_a_directory(cached, in_use):
    assert to_evict(cached, in_use, LIMITS, NOW) == to_evict(cached[::-1], in_use, LIMITS, NOW)


def test_a_cache_within_its_limits_stays():
    assert to_evict([Cached("a", 100, NOW - DAY)], (), LIMITS, NOW) == ()


def overlay(path: Path, base: str) -> None:
    head = b"QFI\xfb" + struct.pack(">IQI", 3, 512, len(base))
    path.write_bytes(head.ljust(512, b"\0") + base.encode())


def test_bases_are_read_from_the_disks_themselves(tmp_path: Path):
    digest = "ab" * 32
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    overlay(tmp_path / "one/root.qcow2", f"/var/lib/orlop/images/{digest}")
    overlay(tmp_path / "one/.root.qcow2.new", f"/elsewhere/{'cd' * 32}")
    overlay(tmp_path / "two/root.qcow2", "/etc/passwd")
    (tmp_path / "two/seed.iso").write_bytes(b"no disk of that kind")
    (tmp_path / "two/empty").touch()
    folders = [tmp_path / "one", tmp_path / "two", tmp_path / "three"]
    assert bases(folders) == {f"sha256:{digest}", f"sha256:{'cd' * 32}"}


def test_a_length_that_no_name_has_is_no_base(tmp_path: Path):
    head = b"QFI\xfb" + struct.pack(">IQI", 3, 512, 1 << 31)
    (tmp_path / "disk.qcow2").write_bytes(head)
    assert bases([tmp_path]) == set()


def test_what_a_guest_writes_into_a_raw_disk_pins_nothing(tmp_path: Path):
    overlay(tmp_path / "volume.raw", f"/var/lib/orlop/images/{'ab' * 32}")
    assert bases([tmp_path]) == set()


@pytest.mark.parametrize("offset", [513, 1 << 62, 1 << 63, (1 << 64) - 1])
def test_a_name_beyond_the_end_of_the_file_is_no_base(tmp_path: Path, offset: int):
    head = b"QFI\xfb" + struct.pack(">IQI", 3, offset, 64)
    (tmp_path / "root.qcow2").write_bytes(head.ljust(512, b"\0") + b"ab" * 32)
    overlay(tmp_path / "other.qcow2", f"/images/{'cd' * 32}.{'ef' * 32}")
    assert bases([tmp_path]) == {f"sha256:{'cd' * 32}"}
