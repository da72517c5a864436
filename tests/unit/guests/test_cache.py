import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from orlop_guests.cache import SUMS, Cache, Recipe, key


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    directory = tmp_path / "sources"
    directory.mkdir()
    (directory / "script").write_text("echo one\n")
    return directory


def recipe(
    sources: Path, built: list[str] | None = None, versions: tuple[str, ...] = ("kernel=1",)
) -> Recipe:
    def build(results: Path, work: Path) -> None:
        assert not [*results.iterdir(), *work.iterdir()]
        (built if built is not None else []).append("once")
        (results / "disk").write_bytes(b"bytes")

    return Recipe("small", (sources,), versions, build)


def test_the_key_changes_with_every_input(sources: Path):
    original = key(recipe(sources))
    assert key(recipe(sources)) == original
    assert key(recipe(sources, versions=("kernel=2",))) != original
    assert key(replace(recipe(sources), name="other")).startswith("other-")

    keys = {original}
    (sources / "script").chmod(0o755)
    keys.add(key(recipe(sources)))
    (sources / "script").write_text("echo two\n")
    keys.add(key(recipe(sources)))
    (sources / "script").rename(sources / "renamed")
    keys.add(key(recipe(sources)))
    assert len(keys) == 4


def test_compiled_python_is_no_input(sources: Path):
    before = key(recipe(sources))
    (sources / "__pycache__").mkdir()
    (sources / "__pycache__" / "script.pyc").write_bytes(b"1")
    assert key(recipe(sources)) == before


def test_builds_once_and_writes_sums(sources: Path, tmp_path: Path):
    built: list[str] = []
    cache = Cache(tmp_path / "cache")
    first = cache.get(recipe(sources, built))
    assert cache.get(recipe(sources, built)) == first
    assert built == ["once"]
    assert (first / SUMS).read_text() == f"{hashlib.sha256(b'bytes').hexdigest()}  disk\n"


def test_a_failed_build_leaves_nothing_that_looks_finished(sources: Path, tmp_path: Path):
    def build(results: Path, work: Path) -> None:
        (results / "disk").write_bytes(b"half")
        raise OSError("no space left")

    cache = Cache(tmp_path / "cache")
    with pytest.raises(OSError, match="no space"):
        cache.get(replace(recipe(sources), build=build))
    assert [path.name for path in cache.root.iterdir()] == [".small.lock"]
    assert cache.get(recipe(sources)).is_dir()


def test_writing_to_a_copy_leaves_the_cache(sources: Path, tmp_path: Path):
    directory = Cache(tmp_path / "cache").get(recipe(sources))
    for _ in range(2):
        Cache.copy_out(directory, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {SUMS, "disk"}
    with (tmp_path / "out" / "disk").open("r+b") as disk:
        disk.write(b"X")
    assert (directory / "disk").read_bytes() == b"bytes"


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"ORLOP_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a/guests"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/orlop/guests"),
        ({}, str(Path.home() / ".cache/orlop/guests")),
    ],
)
def test_where_the_cache_is(environment: dict[str, str], place: str):
    assert str(Cache.of_environment(environment).root) == place
