"""The XML of domains, as files to review; `ORLOP_GOLDEN=write pytest …` writes them anew."""

import os
from pathlib import Path, PurePosixPath

import pytest
from lxml import etree

from orlop_agent.domain.build import domain_xml
from orlop_agent.domain.mark import read_mark
from orlop_agent.domain.spec import BaseImage, Disk, DomainSpec, KernelBoot, Nic
from orlop_agent.hypervisor import Mark

GOLDEN = Path(__file__).parents[3] / "golden/domain"
SCHEMA = Path("/usr/share/libvirt/schemas/domain.rng")

MARK = Mark(
    "6f1c1c1e-0000-4000-8000-000000000001",
    "0a0a0a0a-0000-4000-8000-000000000002",
    3,
    "5e5e5e5e-0000-4000-8000-000000000003",
    "demo",
    "web-1",
)
OWN = PurePosixPath("/var/lib/orlop/instances") / MARK.instance_uid
IMAGE = BaseImage(Path("/var/lib/orlop/images/ab12"), "qcow2")
ROOT = Disk(Path(OWN / "root.qcow2"), "qcow2", base=IMAGE)
DATA = Disk(Path("/var/lib/orlop/volumes/7e7e.qcow2"), "qcow2", serial="7e7e7e7e-0000-4000-8")
SEED = Disk(Path(OWN / "seed.iso"), "raw", readonly=True)


def spec(**changes: object) -> DomainSpec:
    fields: dict[str, object] = {
        "mark": MARK,
        "virtualization_type": "qemu",
        "architecture": "x86_64",
        "vcpus": 1,
        "memory_bytes": 96 << 20,
        "disks": (ROOT, SEED),
        "nics": (Nic("tap0123456789a", "02:00:10:01:00:0a", 1450),),
        "console_log": Path(f"/var/log/orlop/console/{MARK.instance_uid}.log"),
        "kernel": None,
        "disk_cache": "none",
    }
    return DomainSpec(**{**fields, **changes})  # type: ignore[arg-type]


CASES = {
    "emulated": spec(),
    "kvm": spec(virtualization_type="kvm", vcpus=4, memory_bytes=2 << 30),
    "volumes": spec(disks=(ROOT, DATA, SEED), disk_cache="writeback"),
    "kernel": spec(
        kernel=KernelBoot(
            Path("/var/lib/orlop/images/k"), Path("/var/lib/orlop/images/i"), "console=ttyS0 a=<&>"
        )
    ),
    "no-network": spec(nics=()),
    "two-nics": spec(
        nics=(
            Nic("tap0123456789a", "02:00:10:01:00:0a", 1450),
            Nic("tap0123456789b", "02:00:10:02:00:0a", 8950),
        )
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str):
    made = domain_xml(CASES[name]) + "\n"
    path = GOLDEN / f"{name}.xml"
    if os.environ.get("ORLOP_GOLDEN") == "write":
        path.write_text(made)
    assert made == path.read_text()


@pytest.mark.parametrize("name", CASES)
def test_libvirt_would_take_it(name: str):
    if not SCHEMA.exists():
        pytest.skip("libvirt's schemas are not installed")
    schema = etree.RelaxNG(etree.parse(str(SCHEMA)))
    schema.assertValid(etree.fromstring(domain_xml(CASES[name])))


def test_the_mark_is_read_back():
    assert read_mark(domain_xml(CASES["volumes"])) == MARK


def test_the_mark_is_read_from_the_metadata_alone():
    """libvirt 9 gives the element without its namespace."""
    alone = (
        f'<instance uid="{MARK.instance_uid}" assignment="{MARK.assignment_uid}" epoch="3"'
        f' start="{MARK.start_id}" namespace="demo" name="web-1"/>'
    )
    assert read_mark(alone) == MARK


@pytest.mark.parametrize("xml", ["<domain/>", '<instance uid="x"/>', "<domain><metadata/></domain>"])
def test_a_foreign_domain_has_no_mark(xml: str):
    assert read_mark(xml) is None
