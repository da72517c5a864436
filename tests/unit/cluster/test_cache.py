"""Names in the cache follow what things are made of, and old things go."""

from pathlib import Path

import pytest

from orlop_cluster import debroot, gobuild, nodeimage, places
from orlop_cluster.prune import Entry, stale


def test_a_fingerprint_knows_where_one_input_ends():
    assert places.fingerprint("ab", "c") != places.fingerprint("a", "bc")
    assert places.fingerprint("a", b"b") == places.fingerprint("a", "b")
    assert len(places.fingerprint()) == 16


def test_a_fingerprint_reads_files(tmp_path):
    file = tmp_path / "file"
    file.write_text("one")
    before = places.fingerprint(file)
    assert before == places.fingerprint("one")
    file.write_text("two")
    assert places.fingerprint(file) != before


def test_a_layer_is_named_by_its_packages_and_by_what_is_below():
    below = debroot.Layer("base", ("a",))
    layer = debroot.Layer("top", ("b", "c"), below)
    assert layer.key == debroot.Layer("top", ("b", "c"), debroot.Layer("base", ("a",))).key
    assert layer.key != debroot.Layer("top", ("b",), below).key
    assert layer.key != debroot.Layer("top", ("b", "c"), debroot.Layer("base", ("a", "z"))).key
    assert [found.name for found in layer.stack()] == ["base", "top"]


def test_the_node_image_follows_the_layers_it_carries_for_others(monkeypatch):
    before = nodeimage.key()
    monkeypatch.setitem(nodeimage.PRELOADED, "agent-root", debroot.Layer("agent", ("more",), debroot.PYTHON))
    assert nodeimage.key() != before


def test_the_binary_follows_its_sources(monkeypatch, tmp_path):
    for name in ("main.go", "go.mod", "go.sum"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(gobuild, "MODULE", tmp_path)
    before = gobuild.key()
    (tmp_path / "main.go").rename(tmp_path / "other.go")
    renamed = gobuild.key()
    (tmp_path / "go.sum").write_text("more")
    assert len({before, renamed, gobuild.key()}) == 3


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ORLOP_CACHE": "/c"}, "/c"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/orlop"),
        ({"HOME": "/h"}, "/h/.cache/orlop"),
    ],
)
def test_where_the_cache_is(monkeypatch, variables, expected):
    for name in ("ORLOP_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert places.cache_root() == Path(expected)


def test_the_newest_two_of_each_family_stay_and_what_runs():
    entries = [
        *(Entry(Path(f"/cache/node/{age}"), "node/", age) for age in range(5)),
        Entry(Path("/cache/kube/0"), "kube/", 0),
    ]
    mount = "36 35 98:0 / /mnt overlay overlay rw,lowerdir=/cache/node/1/store/l/X:/cache/y"
    assert stale(entries, [mount]) == [Path("/cache/node/2"), Path("/cache/node/0")]


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ("https://a,direct", "https://a"),
        ("https://a|https://b,direct", "https://a,https://b"),
        ("direct", "off"),
    ],
)
def test_modules_come_from_the_proxy_alone(proxy, expected):
    environment = gobuild.go_environment(proxy)
    assert environment["GOPROXY"] == expected
    assert environment["GOTOOLCHAIN"] == "local"


def test_which_go_is_new_enough():
    assert gobuild.version_of("go version go1.26.6 linux/amd64") == (1, 26)
    assert gobuild.version_of("go version go1.19 linux/amd64") < gobuild.OLDEST_GO
    assert gobuild.version_of("gccgo") == (0, 0)


def test_the_version_is_stamped_without_a_date_of_today():
    flags = gobuild.linker_flags("v1.35.4")
    assert "-X k8s.io/component-base/version.gitMinor=35" in flags
    assert "-X k8s.io/client-go/pkg/version.gitVersion=v1.35.4" in flags
    assert "buildDate=2026-01-01T00:00:00Z" in flags
