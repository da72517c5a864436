"""The guest `tiny`: Debian's cloud kernel and busybox, all in an initramfs; see docs/reference/guests.md."""

from pathlib import Path

from orlop_guests import cpio, kmodules
from orlop_guests.cache import Recipe
from orlop_guests.disk import fat_disk, qcow2
from orlop_guests.packages import known, provide, run, unpack

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parent / "tiny"
PROGRAMS = {
    "lz4": "lz4", "mcopy": "mtools", "mformat": "mtools", "qemu-img": "qemu-utils", "syslinux": "syslinux",
}  # fmt: skip
DISK_MEGABYTES = 64


def recipe() -> Recipe:
    packages = known(["linux-image-cloud-amd64", "busybox-static"])
    taken = (packages["linux-image-cloud-amd64"].pinned("linux-image-"), packages["busybox-static"])

    def build(results: Path, work: Path) -> None:
        provide(PROGRAMS)
        root = work / "root"
        for package in taken:
            unpack(package, root, work)
        _build(root, results, work)

    return Recipe("tiny", (SOURCES, HERE), tuple(map(str, taken)), build)


def _build(root: Path, results: Path, work: Path) -> None:
    (vmlinuz,) = (root / "boot").glob("vmlinuz-*")
    kernel = results / "tiny.vmlinuz"
    vmlinuz.rename(kernel)
    initrd = results / "tiny.initrd"
    plain = work / "initramfs.cpio"
    plain.write_bytes(initramfs(root))
    # The kernel unpacks LZ4 only in its legacy frame (-l), several times faster than anything smaller.
    run("lz4", "-l", "-9", "-q", "-f", plain, initrd)

    settings = work / "syslinux.cfg"
    text = (SOURCES / "syslinux.cfg").read_text()
    settings.write_text(text.replace("@COMMAND_LINE@", command_line()))
    raw = work / "disk.raw"
    fat_disk(raw, DISK_MEGABYTES, {"syslinux.cfg": settings, "vmlinuz": kernel, "initrd": initrd}, "TINY")
    qcow2(raw, results / "tiny.qcow2", compressed=True)


def command_line() -> str:
    """The kernel's command line; the file has one option a line, each with its reason."""
    lines = (SOURCES / "command-line").read_text().splitlines()
    return " ".join(option for line in lines if (option := line.split("#")[0].strip()))


def initramfs(root: Path) -> bytes:
    """The archive: our scripts, busybox, and the modules of the unpacked kernel package with their order."""
    (release,) = (root / "lib/modules").iterdir()
    available = kmodules.on_disk(release)
    dependencies = {name: kmodules.depends(path.read_bytes()) for name, path in available.items()}
    chosen = kmodules.wanted((SOURCES / "modules").read_text())
    names = kmodules.closure((*chosen.boot, *chosen.later), dependencies)
    place = f"lib/modules/{release.name}"
    paths = {name: f"{name}.ko" for name in names}
    return cpio.archive(
        [
            cpio.directory("dev"),
            # The kernel opens it for process 1 before anything is mounted.
            cpio.character_device("dev/console", 5, 1),
            *map(
                cpio.directory,
                ("bin", "sbin", "usr/bin", "usr/sbin", "proc", "sys", "run", "mnt", "var", "root"),
            ),
            cpio.directory("tmp", 0o1777),
            *cpio.tree(SOURCES / "root"),
            cpio.file("bin/busybox", (root / "bin/busybox").read_bytes(), executable=True),
            *(cpio.file(f"{place}/{paths[name]}", available[name].read_bytes()) for name in names),
            cpio.file(f"{place}/modules.dep", kmodules.modules_dep(paths, dependencies).encode()),
            cpio.file("etc/modules.boot", "".join(f"{name}\n" for name in chosen.boot).encode()),
        ]
    )
