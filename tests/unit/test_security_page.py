"""SECURITY.md names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_it_names_is_there():
    named = set(re.findall(r"`(tests/[\w/.]+)`", (ROOT / "SECURITY.md").read_text()))
    assert len(named) > 20
    assert sorted(path for path in named if not (ROOT / path).exists()) == []
