"""The command line: which guest, where to, and what came out."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from orlop_guests import debian, tiny
from orlop_guests.cache import SUMS, Cache, Recipe
from orlop_guests.packages import PackageNotFoundError, ProgramFailedError, refresh

RECIPES: dict[str, Callable[[], Recipe]] = {"tiny": tiny.recipe, "debian": debian.recipe}


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="guests/build", description="Build a guest for demo and tests.")
    parser.add_argument("guest", choices=sorted(RECIPES))
    parser.add_argument("--output", type=Path, metavar="DIR", help="put copies of the files here")
    return parser


def built(guest: str) -> Path:
    """The directory of the guest's files. Raises PackageNotFoundError and ProgramFailedError."""
    cache = Cache.of_environment(os.environ)
    try:
        return cache.get(RECIPES[guest]())
    except PackageNotFoundError:
        # The mirror has moved on since apt's lists were fetched; with fresh ones the recipe is another.
        refresh()
        return cache.get(RECIPES[guest]())


def main() -> int:
    """Prints `sha256  path` for each file, as sha256sum does; 1 with a sentence when a step failed."""
    options = arguments().parse_args()
    try:
        directory = built(options.guest)
    except (PackageNotFoundError, ProgramFailedError) as error:
        sys.stderr.write(f"guests/build: {error}\n")
        return 1
    shown = options.output or directory
    if options.output:
        Cache.copy_out(directory, options.output)
    for line in (directory / SUMS).read_text().splitlines():
        digest, name = line.split()
        sys.stdout.write(f"{digest}  {shown.absolute() / name}\n")
    return 0
