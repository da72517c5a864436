"""The table of who may do what (docs/reference/access.md), asked of a real API server cell by cell."""

import os
from pathlib import Path

import pytest

from support.access import NONE, TABLES, USERS, document
from support.accessing import World, allowed, world
from support.rest import Rest

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]
PAGE = Path(__file__).parents[3] / "docs/reference/access.md"


@pytest.fixture(scope="module")
def everybody(admin: Rest) -> World:
    return world(admin)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("user", USERS)
def test_as_the_table_says(everybody: World, user: str, table: str) -> None:
    wrong = []
    for what, row in TABLES[table].items():
        target = everybody.targets[table, what]
        found = {verb for verb in target.verbs if allowed(everybody, user, target, verb)}
        said = row.get(user, NONE)
        wrong += [f"{what}: {verb} is allowed" for verb in sorted(found - said)]
        wrong += [f"{what}: {verb} is refused" for verb in sorted(said - found)]
    assert wrong == []


def test_the_page_is_this_table() -> None:
    if os.environ.get("ORLOP_GOLDEN") == "write":
        PAGE.write_text(document())
    assert PAGE.read_text() == document()
