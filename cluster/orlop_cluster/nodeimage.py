"""The node image: kind's own base files on a Debian root with containerd, libvirt and QEMU.

It ends up unpacked in a read-only podman store in the cache, so that starting a cluster loads nothing.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from orlop_cluster import debroot, gobuild
from orlop_cluster.archive import Image, LayerFile, pack, packed, write_archive, write_layout
from orlop_cluster.gobuild import KUBERNETES
from orlop_cluster.places import SOURCES, cache_root, fingerprint, locked
from orlop_cluster.process import run, step

REFERENCE = "localhost/orlop-node:dev"
NODE_FILES = SOURCES / "node"
ETCD_TAG = "3.6.6-0"
"""The tag that this version of kubeadm asks for; the program in it is the one that go.mod pins."""
PRELOADED = {"operator-root": debroot.PYTHON, "agent-root": debroot.AGENT}
"""Debian's part of Orlop's own images: a node that has it already takes only Python packages and code by `load`."""
RECIPE = "2"
PODMANS_OWN = (Path("/var/lib/containers"), Path("/run/containers"))
"""Where Podman keeps a cache and empty folders whatever its configuration says."""


def key() -> str:
    """The name of the node image that these sources give."""
    files = sorted(p for p in NODE_FILES.rglob("*") if p.is_file())
    named = [part for f in files for part in (str(f.relative_to(NODE_FILES)), f)]
    roots = [layer.key for layer in PRELOADED.values()]
    return fingerprint(RECIPE, gobuild.key(), debroot.NODE.key, *roots, ETCD_TAG, *named)


def store() -> Path:
    """The podman store that holds the image, for `additionalimagestores` (containers-storage.conf(5))."""
    return cache_root() / "node" / key() / "store"


def ensure() -> Path:
    """Build the image and all it is made of unless it is there; return the store.

    Debian's packages arrive and unpack while Go compiles.
    """
    if store().exists():
        return store()
    with ThreadPoolExecutor() as pool:
        binary = pool.submit(gobuild.ensure)
        for layer in (debroot.NODE, *PRELOADED.values()):
            layer.packed()
        programs = binary.result().parent
    with locked("node"):
        if not store().exists():
            directory = store().parent
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            with step("node image"), TemporaryDirectory(dir=directory, prefix="build-") as scratch:
                build(programs, Path(scratch))
    return store()


def build(programs: Path, scratch: Path) -> None:
    """Assemble the root, preload the cluster's images into it, and put the result into the store."""
    kube, upper, work, root, share = (scratch / n for n in ("kube", "upper", "work", "root", "share"))
    for directory in (upper, work, root, share):
        directory.mkdir()
    lay_out_binary(programs, kube)
    layers = [layer.directory for layer in debroot.NODE.stack()]
    places = (upper, work, ":".join(str(p) for p in [kube, *reversed(layers)]), root, share)
    isolated(NODE_FILES / "assemble.sh", *places, programs / "kind-base", NODE_FILES / "files", KUBERNETES)
    kube_layer = pack(scratch / "kube.tar", kube)
    tools = pack(scratch / "tools.tar", share / "tools")
    images = [*cluster_images(kube_layer, tools, pause_layer(programs, scratch)), *roots()]
    write_archive(share / "preload.tar", images)
    isolated(NODE_FILES / "preload.sh", *places)
    debian = [
        found for layer in debroot.NODE.stack() if (found := packed(layer.directory.with_suffix(".tar")))
    ]
    image = Image(
        REFERENCE,
        (*debian, kube_layer, pack(scratch / "node.tar", upper)),
        entrypoint=("/usr/local/bin/entrypoint", "/sbin/init"),
        environment=("container=docker",),
        stop_signal="SIGRTMIN+3",
    )
    layout = write_layout(scratch / "layout", image)
    new = scratch / "store"
    pull(layout, new, scratch)
    new.rename(store())


def lay_out_binary(programs: Path, target: Path) -> None:
    """The layer that holds orlop-kube and its names; images and node share it."""
    bin_directory = target / "usr" / "local" / "bin"
    bin_directory.mkdir(parents=True)
    (bin_directory / "orlop-kube").hardlink_to(programs / "orlop-kube")
    for name in gobuild.PROGRAMS:
        if name != "kind":
            (bin_directory / name).symlink_to("orlop-kube")


def pause_layer(programs: Path, scratch: Path) -> LayerFile:
    directory = scratch / "pause"
    directory.mkdir()
    (directory / "pause").hardlink_to(programs / "pause")
    return pack(scratch / "pause.tar", directory)


def cluster_images(kube: LayerFile, tools: LayerFile, pause: LayerFile) -> list[Image]:
    """What kubeadm and kind expect to find on a node, under the names that they ask for."""
    registry = "registry.k8s.io"
    plain = [
        *(f"kube-{part}:{KUBERNETES}" for part in ("apiserver", "controller-manager", "scheduler")),
        f"etcd:{ETCD_TAG}",
    ]
    return [
        *(Image(f"{registry}/{name}", (kube,)) for name in plain),
        Image(f"{registry}/kube-proxy:{KUBERNETES}", (kube, tools)),
        Image("localhost/orlop-podnet:dev", (kube, tools)),
        Image(f"{registry}/coredns/coredns:v1.13.1", (kube,), entrypoint=("/usr/local/bin/coredns",)),
        Image(f"{registry}/pause:3.10.1", (pause,), entrypoint=("/pause",)),
    ]


def roots() -> list[Image]:
    """The Debian roots that Orlop's images stand on, as images, which keeps containerd from dropping their layers."""
    return [
        Image(f"localhost/orlop-{name}:dev", tuple(layer.packed() for layer in root.stack()))
        for name, root in PRELOADED.items()
    ]


def isolated(script: Path, *arguments: str | Path) -> None:
    """Run a script in mount and pid namespaces of its own."""
    run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", script, *arguments])


def pull(layout: Path, target: Path, scratch: Path) -> None:
    """Unpack an OCI layout into a new podman store."""
    policy = scratch / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
    podman, environment = podman_of(target, scratch)
    strangers = [place for place in PODMANS_OWN if not place.exists()]
    # Podman 4 names what it pulls from a layout by the layout's path, whatever the layout says.
    identity = run(
        [*podman, "pull", "--quiet", f"--signature-policy={policy}", f"oci:{layout.name}"],
        env=environment,
        cwd=layout.parent,
    ).strip()
    run([*podman, "tag", identity, REFERENCE], env=environment)
    run([*podman, "untag", identity, f"localhost/{layout.name}"], env=environment)
    for place in strangers:
        shutil.rmtree(place, ignore_errors=True)


def podman_of(target: Path, scratch: Path) -> tuple[list[str], dict[str, str]]:
    """The podman command and environment that know one store only."""
    storage, configuration = scratch / "storage.conf", scratch / "containers.conf"
    storage.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{target}"\nrunroot = "{scratch / "run"}"\n'
    )
    configuration.write_text('[network]\nnetwork_backend = "netavark"\n')
    podman = ["unshare", "--mount", "podman", f"--tmpdir={scratch / 'tmp'}", "--events-backend=none"]
    return podman, {"CONTAINERS_CONF": str(configuration), "CONTAINERS_STORAGE_CONF": str(storage)}


def save(target: Path) -> None:
    """Write the node image as an archive for `docker load`, from the store in the cache."""
    with TemporaryDirectory(dir=target.parent, prefix="save-") as scratch:
        podman, environment = podman_of(store(), Path(scratch))
        run([*podman, "save", "--format=docker-archive", f"--output={target}", REFERENCE], env=environment)
