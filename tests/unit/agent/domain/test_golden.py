"""The XML of domains, as files to review; `ORLOP_GOLDEN=write pytest …` writes them anew."""

import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from lxml import etree

from orlop_agent.domain.build import domain_xml
from orlop_agent.domain.disk import added_disk
from orlop_agent.domain.live import read_domain
from orlop_agent.domain.secret import secret_xml
from orlop_agent.domain.spec import (
    BaseImage,
    Disk,
    DiskFile,
    DomainSpec,
    IscsiUnit,
    KernelBoot,
    Luks,
    NbdExport,
    Nic,
    RbdImage,
)
from orlop_agent.hypervisor import DomainDisk, Limits, Mark, Power
from orlop_api.hardware import Hardware

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
ROOT = Disk(DiskFile(Path(OWN / "root.qcow2")), "qcow2", base=IMAGE)
VOLUME = "7e7e7e7e-0000-4000-8000-000000000004"
DATA = Disk(
    DiskFile(Path("/var/lib/orlop/volumes/7e7e.qcow2")),
    "qcow2",
    serial="7e7e7e7e-0000-4000-8",
    volume_uid=VOLUME,
)
EXPORT = Disk(NbdExport("192.0.2.7", 10809, "7e7e <&>"), "raw", serial="7e7e7e7e-0000-4000-9", cache="none")
DISC = Disk(DiskFile(Path("/var/lib/orlop/images/cd34")), "raw", readonly=True, disc=True)
UNIT = Disk(
    IscsiUnit("192.0.2.8", 3260, "iqn.2026-01.dev.orlop:7e7e", 1, "orlop", "orlop-chap-7e7e"),
    "raw",
    cache="none",
)
OPEN_UNIT = Disk(IscsiUnit("192.0.2.8", 3260, "iqn.2026-01.dev.orlop:7e7f", 2), "raw", cache="none")
MONITORS = (("ceph-1.example.org", 3300), ("192.0.2.9", 6789))
IMAGE_IN_POOL = Disk(
    RbdImage(MONITORS, "vms", "orlop-7e7e", "orlop", "orlop-ceph-san", key="never-said"), "raw", cache="none"
)
OPEN_IMAGE = Disk(RbdImage(MONITORS[:1], "vms", "orlop-7e7f"), "raw", cache="none")
SEALED = Luks("orlop-luks-7e7e", b"a-canary")
SEED = Disk(DiskFile(Path(OWN / "seed.iso")), "raw", readonly=True)


NVRAM = Path(OWN / "nvram.fd")


def hardware(**asked: object) -> Hardware:
    return Hardware.model_validate(asked)


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
    "disc": spec(disks=(Disk(ROOT.source, "qcow2"), SEED, DISC)),
    "network-disks": spec(disks=(ROOT, EXPORT, UNIT, OPEN_UNIT, SEED), disk_cache="writeback"),
    "ceph": spec(disks=(ROOT, IMAGE_IN_POOL, OPEN_IMAGE, SEED)),
    "limited": spec(
        disks=(
            ROOT,
            replace(DATA, limits=Limits(500, 50 << 20, 2000, 200 << 20, 30)),
            replace(DATA, limits=Limits(iops=100), serial="other", volume_uid="other"),
            SEED,
        )
    ),
    "encrypted": spec(
        disks=(
            ROOT,
            replace(DATA, luks=SEALED),
            replace(DATA, format="raw", serial="other", volume_uid="other", luks=SEALED, reserved=True),
            replace(UNIT, luks=SEALED),
            replace(IMAGE_IN_POOL, luks=SEALED),
            SEED,
        )
    ),
    "kernel": spec(
        kernel=KernelBoot(
            Path("/var/lib/orlop/images/k"), Path("/var/lib/orlop/images/i"), "console=ttyS0 a=<&>"
        )
    ),
    "q35": spec(
        hardware=hardware(machineType="q35", cpu={"model": "Westmere", "features": ["avx2", "aes"]}),
        nvram=NVRAM,
    ),
    "uefi": spec(hardware=hardware(machineType="pc-q35-7.2", firmware="UEFI", tpm="2.0"), nvram=NVRAM),
    "feature": spec(hardware=hardware(cpu={"features": ["avx2"]})),
    "host-model": spec(virtualization_type="kvm", hardware=hardware(cpu={"model": "host-model"})),
    "kvm-feature": spec(virtualization_type="kvm", hardware=hardware(cpu={"features": ["avx512f"]})),
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


def test_mark_and_disks_are_read_back():
    seen = read_domain(domain_xml(CASES["volumes"]), Power.RUNNING)
    assert seen is not None
    assert seen.mark == MARK
    assert seen.disks == (
        DomainDisk("vda"),
        DomainDisk("vdb", VOLUME),
        DomainDisk("vdc", readonly=True),
    )


def test_a_passphrase_is_in_no_description():
    assert "a-canary" not in domain_xml(CASES["encrypted"])
    assert "a-canary" not in added_disk(replace(DATA, luks=SEALED), "none", ())
    named = etree.fromstring(secret_xml("volume", SEALED.secret))
    assert (named.get("ephemeral"), named.get("private")) == ("yes", "yes")
    used = etree.fromstring(domain_xml(CASES["encrypted"])).findall(".//encryption/secret")
    assert {secret.get("uuid") for secret in used} == {named.findtext("uuid")}


def test_limits_are_read_back():
    seen = read_domain(domain_xml(CASES["limited"]), Power.RUNNING)
    assert seen is not None
    assert [disk.limits for disk in seen.disks] == [disk.limits for disk in CASES["limited"].disks]


@pytest.mark.parametrize("xml", ["<domain/>", '<instance uid="x"/>', "<domain><metadata/></domain>"])
def test_a_foreign_domain_has_no_mark(xml: str):
    assert read_domain(xml, Power.RUNNING) is None


def test_an_added_disk_takes_the_first_free_name():
    has = (DomainDisk("vda"), DomainDisk("vdc", VOLUME), DomainDisk("vdd", readonly=True))
    made = etree.fromstring(added_disk(DATA, "none", has))
    assert made.find("target").get("dev") == "vdb"
    assert made.find("alias").get("name") == f"ua-{VOLUME}"
    assert made.find("boot") is None
