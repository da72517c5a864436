"""The guests' files, and machines that end with their test."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from support.guest import BUILD, Guest


@pytest.fixture(scope="session")
def tiny() -> Path:
    """The directory of the tiny guest's files."""
    built = subprocess.run([BUILD, "tiny"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return Path(built.split()[1]).parent


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Sequence[str]], Guest]]:
    """Starts a guest from a list of QEMU's arguments."""
    guests: list[Guest] = []

    def started(command: Sequence[str]) -> Guest:
        guest = Guest(command, tmp_path / f"qmp-{len(guests)}")
        guests.append(guest)
        return guest

    yield started
    for guest in guests:
        guest.kill()
