"""Debian's packages: which version there is, its files without installing it, missing programs installed."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

LISTS_LOCK = Path("/var/lib/apt/lists/lock")


class ProgramFailedError(Exception):
    """A program failed; the text names it and what it said."""


class PackageNotFoundError(Exception):
    """apt has no such package, or no longer this version of it."""


@dataclass(frozen=True)
class Package:
    """The version of a package that apt would install."""

    name: str
    version: str
    depends: str = ""

    def __str__(self) -> str:
        return f"{self.name}={self.version}"

    def pinned(self, prefix: str) -> "Package":
        """The package of which this one (a metapackage) wants exactly one version, by the start of its name.

        Raises PackageNotFoundError.
        """
        found = re.search(rf"(?:^|, )({re.escape(prefix)}\S*) \(= ([^)]+)\)", self.depends)
        if not found:
            raise PackageNotFoundError(f"package {self} depends on no certain {prefix}…: {self.depends}")
        return Package(found[1], found[2])


def run(
    *command: str | Path, directory: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Runs a program and returns its output; raises ProgramFailedError with what it said."""
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=directory, stdin=subprocess.DEVNULL,
        env=os.environ | (environment or {}) | {"LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise ProgramFailedError(f"{' '.join(map(str, command))} ended with {done.returncode}: {said}")
    return done.stdout


def parse(shown: str) -> dict[str, Package]:
    """The packages in the output of `apt-cache show` (deb822(5): fields, stanzas parted by empty lines)."""
    packages = {}
    for stanza in shown.strip().split("\n\n"):
        fields = dict(re.findall(r"^([A-Z][A-Za-z-]*): (.*)$", stanza, re.MULTILINE))
        if "Package" in fields:
            name = fields["Package"]
            packages[name] = Package(name, fields["Version"], fields.get("Depends", ""))
    return packages


def known(names: Iterable[str]) -> dict[str, Package]:
    """What apt would install for each name; asks for fresh lists if one is unknown.

    Raises PackageNotFoundError if that did not help.
    """
    wanted = sorted(names)
    found = _show(wanted)
    if not found.keys() >= set(wanted):
        refresh()
        found = _show(wanted)
    if missing := sorted(set(wanted) - found.keys()):
        raise PackageNotFoundError(f"apt has no package {', '.join(missing)}")
    return found


def _show(names: Iterable[str]) -> dict[str, Package]:
    # Its status only says that some name is unknown; which one, the output shows.
    command = ["apt-cache", "show", "--no-all-versions", *names]
    return parse(subprocess.run(command, capture_output=True, text=True, check=False).stdout)


def refresh() -> None:
    """Fetches apt's lists; waits for another apt that is doing so, instead of failing as apt-get would."""
    with LISTS_LOCK.open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)  # given back at once: apt-get takes it itself
    run("apt-get", "update", "-q")


def unpack(package: Package, into: Path, work: Path) -> None:
    """Downloads exactly this version and unpacks its files into `into`, without installing anything.

    Raises PackageNotFoundError when the mirror does not have it (any more).
    """
    # apt's own download user cannot write into a private directory, and would warn about it.
    options = ("-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3")
    try:
        run("apt-get", "download", *options, str(package), directory=work)
    except ProgramFailedError as error:
        raise PackageNotFoundError(f"{package} cannot be downloaded: {error}") from error
    (archive,) = work.glob(f"{package.name}_*.deb")
    run("dpkg-deb", "--extract", archive, into)
    archive.unlink()


def provide(programs: Mapping[str, str]) -> None:
    """Installs the packages (values) of those programs (keys) that are not there; needs root only then."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    missing = sorted(
        {package for program, package in programs.items() if not shutil.which(program, path=path)}
    )
    if not missing:
        return
    sys.stderr.write(f"guests/build: installing {' '.join(missing)}\n")
    known(missing)
    options = ("-q", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300")
    run("apt-get", "install", *options, *missing, environment={"DEBIAN_FRONTEND": "noninteractive"})
