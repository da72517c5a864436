"""Container images of the operator and the agent, built without a container engine.

Their layers from below: the essential Debian system, Python, what the agent calls, the Python dependencies, and
last the project itself, which is small. A change of code rebuilds only that one.
"""

import os
import re
import shutil
import tarfile
import tomllib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orlop_cluster import apt
from orlop_cluster.archive import Image, LayerFile, pack, packed, write_archive
from orlop_cluster.debroot import AGENT, BASE, PYTHON, Layer
from orlop_cluster.places import CHECKOUT, cache_root, fingerprint, locked
from orlop_cluster.process import StepError, run, step
from orlop_cluster.prune import prune

SYSTEM_PYTHON = Path("/usr/bin/python3")
"""Debian 12's own, 3.11: what is compiled for it here runs with the same one in the image."""
SITE = Path("usr/local/lib/python3.11/dist-packages")
"""Where Debian's Python looks for what is not Debian's."""
LOCK = CHECKOUT / "requirements.lock"
ROOT = "root"
BACKEND = "hatchling>=1.27"
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
RECIPE = "2"


@dataclass(frozen=True)
class Recipe:
    """One image of the project."""

    name: str
    root: Layer
    user: str
    build_packages: Mapping[str, str] = field(compare=False)
    """What compiling its dependencies takes from the distribution: a file, and the package that has it."""

    @property
    def reference(self) -> str:
        return f"localhost/orlop-{self.name}:dev"

    @property
    def program(self) -> str:
        return f"orlop-{self.name}"


RECIPES = {
    "operator": Recipe("operator", PYTHON, "65532:65532", {}),
    "agent": Recipe(
        "agent", AGENT, "",
        {
            "gcc": "gcc", "pkg-config": "pkgconf", "/usr/include/python3.11/Python.h": "python3-dev",
            "/usr/include/libvirt/libvirt.h": "libvirt-dev",
        },
    ),
}  # fmt: skip
VENV = {"/usr/lib/python3.11/ensurepip/__main__.py": "python3-venv"}


def project() -> dict[str, Any]:
    """The [project] table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    return table


def dependencies(table: dict[str, Any], extra: str) -> list[str]:
    """What the image's extra needs from PyPI."""
    return sorted([*table.get("dependencies", []), *table["optional-dependencies"][extra]])


def build(names: Sequence[str]) -> Path:
    """Build images into one archive, which `load` and `docker load` take; layers that they share are in it once."""
    if list(names) == [ROOT]:
        return root_image()
    for name in names:
        if name not in RECIPES:
            raise StepError(f"no image {name}; there are {', '.join(RECIPES)}, and {ROOT} by itself")
    recipes = [RECIPES[name] for name in sorted(set(names))]
    directory = cache_root() / "images"
    directory.mkdir(parents=True, exist_ok=True)
    with locked("images"):
        apt.ensure(apt.BUILD, VENV, *(recipe.build_packages for recipe in recipes))
        table = project()
        lower = {
            r: [*(layer.packed() for layer in r.root.stack()), *dependency_layers(r, table)] for r in recipes
        }
        with (
            TemporaryDirectory(dir=directory, prefix="build-") as scratch,
            step(f"images {', '.join(names)}"),
        ):
            code = Path(scratch) / "code"
            install(code, ["--no-deps", "--no-build-isolation", str(CHECKOUT)])
            add_programs(code, table["scripts"])
            forget_times(code)
            layer = pack(Path(scratch) / "code.tar", code)
            images = [
                Image(
                    recipe.reference,
                    (*layers, layer),
                    entrypoint=(f"/usr/bin/{recipe.program}",),
                    environment=("PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"),
                    user=recipe.user,
                )
                for recipe, layers in lower.items()
            ]
            name = "-".join(["orlop", *(recipe.name for recipe in recipes)])
            return write_archive(directory / f"{name}.tar", images)


def root_image() -> Path:
    """The essential Debian system alone, which the Dockerfiles in images/ start from."""
    apt.ensure(apt.BUILD)
    target = cache_root() / "images" / "orlop-root.tar"
    target.parent.mkdir(parents=True, exist_ok=True)
    return write_archive(target, [Image("localhost/orlop-root:dev", (BASE.packed(),))])


def add_programs(root: Path, scripts: dict[str, str]) -> None:
    """The programs of [project.scripts], by Debian's Python; pip's own would name the Python that it ran on."""
    programs = root / "usr" / "bin"
    programs.mkdir(parents=True)
    for name, target in scripts.items():
        module, function = target.split(":")
        path = programs / name
        path.write_text(
            f"#!/usr/bin/python3 -sP\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
        )
        path.chmod(0o755)


def forget_times(root: Path) -> None:
    """Equal code gives an equal image, whenever it is built."""
    for path in [root, *root.rglob("*")]:
        os.utime(path, (0, 0), follow_symlinks=False)


def shared(table: dict[str, Any]) -> list[str]:
    """What every image needs from PyPI."""
    each = [set(dependencies(table, name)) for name in RECIPES]
    return sorted(set.intersection(*each))


def dependency_layers(recipe: Recipe, table: dict[str, Any]) -> list[LayerFile]:
    """The Python packages of others: what all images need, and what this one needs beside."""
    common, own = shared(table), dependencies(table, recipe.name)
    lower = cache_root() / "python" / f"shared-{fingerprint(RECIPE, LOCK, *common)}.tar"
    upper = cache_root() / "python" / f"{recipe.name}-{fingerprint(RECIPE, LOCK, *common, '', *own)}.tar"
    lower.parent.mkdir(parents=True, exist_ok=True)
    fresh = packed(upper) is None
    if (below := packed(lower)) is None:
        with TemporaryDirectory(dir=lower.parent) as scratch, step("Python packages that all images share"):
            below = pack(lower, packages(Path(scratch), common))
    if (above := packed(upper)) is None:
        with TemporaryDirectory(dir=upper.parent) as scratch, step(f"Python packages of the {recipe.name}"):
            root = packages(Path(scratch), own)
            with tarfile.open(lower) as tar:
                subtract(root, {member.name for member in tar if not member.isdir()})
            above = pack(upper, root)
    if fresh:
        prune()
    return [below, above]


def packages(scratch: Path, wanted: list[str]) -> Path:
    """A root with these requirements and theirs, in the versions of the lock."""
    root = scratch / "root"
    install(root, [f"--constraint={pins(scratch)}", *wanted])
    return root


def subtract(root: Path, below: AbstractSet[str]) -> None:
    """Remove the files that a lower layer has. All layers are of one lock, so a file of that name is that file."""
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif str(path.relative_to(root)) in below:
            path.unlink()


def pins(scratch: Path) -> Path:
    """The lock's versions without its hashes, with which pip would want every requirement pinned by itself."""
    lines = [
        line.removesuffix("\\").strip()
        for line in LOCK.read_text().splitlines()
        if re.match(r"[\w.-]+(\[.*\])?==", line)
    ]
    path = scratch / "pins.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def install(root: Path, what: list[str]) -> None:
    """Install with pip below `root`, compiled to bytecode that needs no time stamps to be valid."""
    site = root / SITE
    run(["nice", pip(), *PIP, "--no-compile", f"--target={site}", *what])
    for useless in [site / "bin", *site.glob("numpy/**/tests")]:
        shutil.rmtree(useless, ignore_errors=True)
    run([SYSTEM_PYTHON, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", "-s", root, site])


def pip() -> Path:
    """A pip of our own with the build backend, so that building needs no environment of the project's."""
    venv = cache_root() / "python" / f"pip-{fingerprint(RECIPE, BACKEND)}"
    with locked("pip"):
        if not (venv / "complete").exists():
            with step("a pip for building images"):
                run([SYSTEM_PYTHON, "-m", "venv", "--clear", venv])
                run([venv / "bin" / "python", *PIP, BACKEND])
            (venv / "complete").touch()
    return venv / "bin" / "python"
