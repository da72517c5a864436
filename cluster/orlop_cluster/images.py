"""Container images of the operator and the agent, built without a container engine.

Their layers from below: the essential Debian system, Python, what the agent calls, the Python dependencies, and
last the project itself, which is small. A change of code rebuilds only that one.
"""

import os
import re
import shutil
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
BUILD_LOCK = CHECKOUT / "images" / "build.lock"
ROOT = "root"
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
RECIPE = "4"


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
        lower = {r: [*(layer.packed() for layer in r.root.stack()), *dependency_layers(r)] for r in recipes}
        with (
            TemporaryDirectory(dir=directory, prefix="build-") as scratch,
            step(f"images {', '.join(names)}"),
        ):
            code = Path(scratch) / "code"
            install(code, ["--no-deps", "--no-build-isolation", str(CHECKOUT)])
            add_programs(code, project()["scripts"])
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


def dependency_layers(recipe: Recipe) -> list[LayerFile]:
    """The Python packages of others: those that all images have, and those that this one has beside."""
    each = {name: pins(CHECKOUT / "images" / f"{name}.lock") for name in RECIPES}
    common = each[recipe.name].intersection(*each.values())
    directory = cache_root() / "python"
    directory.mkdir(parents=True, exist_ok=True)
    made = []
    for name, wanted in (("shared", common), (recipe.name, each[recipe.name] - common)):
        target = directory / f"{name}-{fingerprint(RECIPE, BUILD_LOCK, *sorted(wanted))}.tar"
        if (layer := packed(target)) is None:
            with TemporaryDirectory(dir=directory) as scratch, step(f"Python packages: {name}"):
                layer = pack(target, packages(Path(scratch), wanted))
            prune()
        made.append(layer)
    return made


def pins(lock: Path) -> frozenset[str]:
    """The requirements of a lock, each with its hashes."""
    text = re.sub(r"^ *#.*\n", "", lock.read_text(), flags=re.MULTILINE)
    return frozenset(each.strip() for each in re.split(r"\n(?=\S)", text) if each.strip())


def packages(scratch: Path, wanted: AbstractSet[str]) -> Path:
    """A root with exactly these, each as its hash says."""
    root, listed = scratch / "root", scratch / "wanted.txt"
    listed.write_text("\n".join(sorted(wanted)) + "\n")
    install(root, ["--no-deps", "--no-build-isolation", "--require-hashes", f"--requirement={listed}"])
    forget_times(root)
    return root


def install(root: Path, what: list[str]) -> None:
    """Install with pip below `root`, compiled to bytecode that needs no time stamps to be valid."""
    site = root / SITE
    # What a debugger would be told names the directory of the build, which is another one each time.
    run(["nice", pip(), *PIP, "--no-compile", f"--target={site}", *what], env={"CFLAGS": "-g0"})
    for useless in [site / "bin", *site.glob("numpy/**/tests")]:
        shutil.rmtree(useless, ignore_errors=True)
    run([SYSTEM_PYTHON, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", "-s", root, site])


def pip() -> Path:
    """A pip of our own with the build backends, so that building needs nothing that no lock names."""
    venv = cache_root() / "python" / f"pip-{fingerprint(RECIPE, BUILD_LOCK)}"
    with locked("pip"):
        if not (venv / "complete").exists():
            with step("a pip for building images"):
                run([SYSTEM_PYTHON, "-m", "venv", "--clear", venv])
                run([venv / "bin" / "python", *PIP, "--require-hashes", f"--requirement={BUILD_LOCK}"])
            (venv / "complete").touch()
    return venv / "bin" / "python"
