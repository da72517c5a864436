"""Rules about the code base itself."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = [
    path
    for top in ("crds", "operator", "node-agent", "cluster", "guests", "tests")
    for path in (ROOT / top).rglob("*.py")
]
LIMIT = 300
# Each with its reason.
LONGER: dict[str, str] = {}
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


def test_files_stay_small():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in CODE
        if (lines := len(path.read_text().splitlines())) > LIMIT
    }
    assert {name: lines for name, lines in long.items() if name not in LONGER} == {}
    assert set(LONGER) <= set(long), "an exception that is not needed any more"


def test_modules_have_names():
    assert [str(path) for path in CODE if path.stem in VAGUE or path.parent.name in VAGUE] == []


def test_top_level_folders_are_no_packages():
    assert not (ROOT / "operator/__init__.py").exists()
    assert not (ROOT / "node-agent/__init__.py").exists()
    assert list((ROOT / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize(
    "word", ["/" + "work/", "/" + "root/", "pypi" + ".org", "deb." + "debian", "proxy.golang" + ".org"]
)
def test_the_project_speaks_of_itself_only(word):
    skipped = {".git", ".venv", ".orlop"}
    found = [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*")
        if path.is_file()
        and not skipped & set(path.relative_to(ROOT).parts)
        and path.suffix in {".py", ".md", ".sh", ".toml", ".yaml", ""}
        and word in path.read_text(errors="ignore")
    ]
    assert found == []
