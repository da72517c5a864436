import pytest

from orlop_guests import kmodules

DEPENDENCIES = {
    "ring": (),
    "virtio": ("ring",),
    "pci": ("virtio", "ring"),
    "net": ("failover", "virtio"),
    "failover": (),
}


def test_reads_what_a_module_depends_on():
    assert kmodules.depends(b"..\0license=GPL\0depends=virtio,net-failover\0name=x\0") == (
        "virtio",
        "net_failover",
    )
    assert kmodules.depends(b"..\0depends=\0name=x\0") == ()
    assert kmodules.depends(b"no information") == ()


def test_each_module_comes_after_what_it_needs_and_once():
    assert kmodules.closure(["net", "pci"], DEPENDENCIES) == ("failover", "ring", "virtio", "net", "pci")


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(KeyError, match="dummy"):
        kmodules.closure(["dummy"], DEPENDENCIES)


def test_modules_dep_lists_the_nearest_need_first():
    paths = {name: f"{name}.ko" for name in DEPENDENCIES}
    lines = kmodules.modules_dep(paths, DEPENDENCIES).splitlines()
    assert lines[0] == "ring.ko:"
    assert lines[2] == "pci.ko: virtio.ko ring.ko"
    assert lines[3] == "net.ko: virtio.ko ring.ko failover.ko"


def test_parses_the_list_of_modules():
    assert kmodules.wanted("# why\nboot a\nlater b # later\n\nboot c\n") == kmodules.Wanted(
        ("a", "c"), ("b",)
    )


@pytest.mark.parametrize("line", ["sometimes a", "boot", "boot a b"])
def test_refuses_a_line_it_does_not_know(line: str):
    with pytest.raises(ValueError, match=line):
        kmodules.wanted(line)
