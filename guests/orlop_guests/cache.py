"""What was built once is not built again while its inputs are the same.

One directory a build, named by the hash of every input: the recipe's own files and the exact versions of
the packages it takes. It appears by a rename, so a build that was ended half-way is never taken for a
finished one.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Recipe:
    """A guest that can be built."""

    name: str
    inputs: tuple[Path, ...]
    """Files and directories whose bytes decide what comes out."""
    versions: tuple[str, ...]
    """Whatever else decides: `package=version`."""
    build: Callable[[Path, Path], None]
    """Called with an empty directory for the results and another for anything else."""


def key(recipe: Recipe) -> str:
    """The name of the recipe's results in the cache."""
    digest = hashlib.sha256()
    for root in recipe.inputs:
        for path in sorted(files(root)):
            content = path.read_bytes()
            name = path.relative_to(root.parent)
            executable = os.access(path, os.X_OK)
            digest.update(f"{name}\0{executable}\0{len(content)}\0".encode() + content)
    digest.update("\0".join(recipe.versions).encode())
    return f"{recipe.name}-{digest.hexdigest()[:16]}"


def files(root: Path) -> Iterable[Path]:
    if root.is_file():
        return [root]
    return (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


@dataclass(frozen=True)
class Cache:
    """Finished builds, below one directory."""

    root: Path

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Self:
        """ORLOP_CACHE, or the place that the XDG base directory specification gives."""
        if own := environment.get("ORLOP_CACHE"):
            return cls(Path(own) / "guests")
        general = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return cls(Path(general) / "orlop" / "guests")

    def get(self, recipe: Recipe) -> Path:
        """The directory of the recipe's results, built now if need be; only one process builds at a time."""
        finished = self.root / key(recipe)
        if (finished / SUMS).exists():
            return finished
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / f".{recipe.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (finished / SUMS).exists():
                self._build(recipe, finished)
        return finished

    def _build(self, recipe: Recipe, finished: Path) -> None:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=self.root, prefix=f".{recipe.name}-") as temporary:
            results, work = Path(temporary) / "results", Path(temporary) / "work"
            results.mkdir()
            work.mkdir()
            recipe.build(results, work)
            (results / SUMS).write_text(sums(results))
            results.rename(finished)
        sys.stderr.write(f"guests/build: {recipe.name} built in {time.monotonic() - started:.1f} s\n")

    @staticmethod
    def copy_out(directory: Path, target: Path) -> None:
        """Puts the results into `target`, each file by a rename, so that a reader never sees half of one.

        Copies, never links: a guest that writes to its disk must not write to the cache.
        """
        target.mkdir(parents=True, exist_ok=True)
        for source in sorted(directory.iterdir()):
            new = target / f".{source.name}.new"
            shutil.copyfile(source, new)
            new.replace(target / source.name)


def sums(directory: Path) -> str:
    """What sha256sum would print for the files of `directory`."""
    lines = []
    for path in sorted(directory.iterdir()):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    return "".join(lines)
