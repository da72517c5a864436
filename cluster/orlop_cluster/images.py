"""Container images of the operator and the agent, built without a container engine.

Their layers from below: the essential Debian system, Python, what the agent calls, the Python dependencies, and
last the project itself, which is small. A change of code rebuilds only that one.
"""

import re
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orlop_cluster import apt
from orlop_cluster.archive import Image, LayerFile, pack, packed, write_archive
from orlop_cluster.debroot import AGENT, PYTHON, Layer
from orlop_cluster.places import CHECKOUT, cache_root, fingerprint, locked
from orlop_cluster.process import StepError, run, step

SYSTEM_PYTHON = Path("/usr/bin/python3")
"""Debian 12's own, 3.11: what is compiled for it here runs with the same one in the image."""
SITE = Path("usr/local/lib/python3.11/dist-packages")
"""Where Debian's Python looks for what is not Debian's."""
LOCK = CHECKOUT / "requirements.lock"
BACKEND = "hatchling>=1.27"
RECIPE = "1"


@dataclass(frozen=True)
class Recipe:
    """One image of the project."""

    name: str
    root: Layer
    user: str
    build_packages: dict[str, str]
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


def build(name: str) -> Path:
    """Build an image; return its archive, which `load` and `docker load` take."""
    recipe = RECIPES.get(name)
    if recipe is None:
        raise StepError(f"no image {name}; there are {', '.join(RECIPES)}")
    directory = cache_root() / "images"
    directory.mkdir(parents=True, exist_ok=True)
    with locked(f"image-{name}"):
        apt.ensure(apt.BUILD, VENV, recipe.build_packages)
        table = project()
        debian = [layer.packed() for layer in recipe.root.stack()]
        needed = dependency_layer(recipe, table)
        with TemporaryDirectory(dir=directory, prefix="build-") as scratch, step(f"image {recipe.reference}"):
            code = code_layer(recipe, table, Path(scratch))
            image = Image(
                recipe.reference,
                (*debian, needed, code),
                entrypoint=(f"/usr/bin/{recipe.program}",),
                environment=("PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"),
                user=recipe.user,
            )
            return write_archive(directory / f"{recipe.program}.tar", [image])


def dependency_layer(recipe: Recipe, table: dict[str, Any]) -> LayerFile:
    """The Python packages of others."""
    wanted = dependencies(table, recipe.name)
    target = cache_root() / "python" / f"{recipe.name}-{fingerprint(RECIPE, LOCK, *wanted)}.tar"
    found = packed(target)
    if found is None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            TemporaryDirectory(dir=target.parent) as scratch,
            step(f"Python dependencies of the {recipe.name}"),
        ):
            root = Path(scratch) / "root"
            install(root, [f"--constraint={pins(Path(scratch))}", *wanted])
            found = pack(target, root)
    return found


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


def code_layer(recipe: Recipe, table: dict[str, Any], scratch: Path) -> LayerFile:
    """The project's own distribution, and the program that the image runs."""
    root = scratch / "root"
    install(root, ["--no-deps", "--no-build-isolation", str(CHECKOUT)])
    module, function = table["scripts"][recipe.program].split(":")
    program = root / "usr" / "bin" / recipe.program
    program.parent.mkdir(parents=True)
    program.write_text(
        f"#!/usr/bin/python3 -sP\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
    )
    program.chmod(0o755)
    return pack(scratch / "code.tar", root)


def install(root: Path, what: list[str]) -> None:
    """Install with pip below `root`, compiled to bytecode that needs no time stamps to be valid."""
    site = root / SITE
    run(
        [
            "nice",
            pip(),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-compile",
            f"--target={site}",
            *what,
        ]
    )
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
                run(
                    [
                        venv / "bin" / "python",
                        "-m",
                        "pip",
                        "install",
                        "--quiet",
                        "--disable-pip-version-check",
                        BACKEND,
                    ]
                )
            (venv / "complete").touch()
    return venv / "bin" / "python"
