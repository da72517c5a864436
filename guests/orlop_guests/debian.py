"""The guest `debian`: a real Debian 12 with cloud-init, made by mmdebstrap; see docs/reference/guests.md.

No loop device and no mount: mke2fs fills the file system from a directory, and GRUB's core is written into the
gap before the partition, as grub-install would.
"""

import shutil
from pathlib import Path

from orlop_guests.cache import Recipe
from orlop_guests.disk import FIRST, LINUX, SECTOR, master_boot_record, qcow2
from orlop_guests.packages import known, provide, run, unpack

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parent / "debian"
SUITE = "bookworm"
PROGRAMS = {
    "grub-mkimage": "grub-common", "mke2fs": "e2fsprogs", "mmdebstrap": "mmdebstrap", "qemu-img": "qemu-utils",
    "unshare": "util-linux",
}  # fmt: skip
DISK_MEGABYTES = 3072
GRUB_MODULES = ("biosdisk", "part_msdos", "ext2", "normal", "linux", "serial", "terminal", "boot", "minicmd")
LEFT_OUT = ("doc", "man", "info", "locale")


def wanted(text: str) -> list[str]:
    """The packages in a list, one a line; `#` starts a comment."""
    return [name for line in text.splitlines() if (name := line.split("#")[0].strip())]


def recipe() -> Recipe:
    names = wanted((SOURCES / "packages").read_text())
    packages = known([*names, "grub-pc-bin"])
    kernel = packages["linux-image-cloud-amd64"].pinned("linux-image-")
    # The image is newest when it is built; a new version of one of these builds it again.
    versions = (str(kernel), *(str(packages[name]) for name in sorted(packages)))

    def build(results: Path, work: Path) -> None:
        provide(PROGRAMS)
        tools = work / "tools"
        unpack(packages["grub-pc-bin"], tools, work)
        root = work / "root"
        bootstrap(names, root)
        raw = work / "disk.raw"
        write_disk(raw, root, tools / "usr/lib/grub/i386-pc", work)
        shutil.rmtree(root)
        qcow2(raw, results / "debian.qcow2", compressed=True)

    return Recipe("debian", (SOURCES, HERE), versions, build)


def bootstrap(names: list[str], root: Path) -> None:
    """The installed system, from this machine's own sources of Debian."""
    places = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{directory}/*" for directory in LEFT_OUT]
    run(
        # What it mounts ends with it, whoever ends it, and nobody else sees it.
        "nice", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "mmdebstrap", "--mode=root",
        "--variant=minbase", "--format=directory", "--quiet", *excluded,
        "--dpkgopt=path-include=/usr/share/doc/*/copyright", "--dpkgopt=force-unsafe-io",
        # Before the kernel is installed, which makes the initial file system.
        f"--essential-hook=sync-in {SOURCES / 'root'} /",
        f"--customize-hook={SOURCES / 'finish.sh'}",
        f"--include={','.join(names)}", SUITE, root, *(place for place in places if place.exists()),
    )  # fmt: skip


def write_disk(path: Path, root: Path, grub: Path, work: Path) -> None:
    """A raw disk: GRUB's boot record and core, and one ext4 partition with all of `root`."""
    core = work / "core.img"
    run(
        "grub-mkimage", "-d", grub, "-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub", "-o", core, *GRUB_MODULES
    )
    content = core.read_bytes()
    if len(content) > (FIRST - 1) * SECTOR:
        raise ValueError(f"GRUB's core has {len(content)} bytes, the gap before the partition is smaller")
    sectors = DISK_MEGABYTES * 1024 * 1024 // SECTOR
    with path.open("wb") as disk:
        # boot.img loads sector 1; the core's first sector holds a list that says the rest follows it.
        disk.write(master_boot_record((grub / "boot.img").read_bytes()[:440], LINUX, sectors))
        disk.write(content)
        disk.truncate(sectors * SECTOR)
    offset = FIRST * SECTOR
    kilobytes = (sectors - FIRST) * SECTOR // 1024
    run(
        "nice", "/sbin/mke2fs", "-q", "-t", "ext4", "-L", "debian-root", "-m", "1", "-d", root,
        "-E", f"offset={offset},lazy_itable_init=1", "-F", path, f"{kilobytes}k",
    )  # fmt: skip
