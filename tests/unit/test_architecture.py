"""Rules about the code base itself."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 300
# Each with its reason.
LONGER = {
    "node-agent/orlop_agent/libvirt.py": "all calls of libvirt that make one connection",
    "node-agent/orlop_agent/plan.py": "the order of an Instance's steps, read from top to bottom",
    "node-agent/orlop_agent/protocol.py": "the agent's half of the protocol, searched by the model as one",
    "operator/orlop_operator/protocol.py": "the operator's half of the protocol, searched by the model as one",
    "tests/unit/agent/test_plan.py": "a case for each line of plan.py",
}
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
# Put together here, so that this file does not hold them.
FOREIGN = [
    "/" + "work/",
    "(?<![}\\w])/" + "root/",
    "pypi" + ".org",
    r"deb\." + "debian",
    "proxy.golang" + ".org",
]


def tracked(*patterns):
    listed = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def relative(path):
    return str(path.relative_to(ROOT))


def test_files_stay_small():
    lines = {relative(path): len(path.read_text().splitlines()) for path in tracked("*.py", "*.go", "*.sh")}
    long = {name: count for name, count in lines.items() if count > LIMIT}
    assert {name: count for name, count in long.items() if name not in LONGER} == {}
    assert set(LONGER) <= set(long), "an exception that is not needed any more"


def test_modules_have_names():
    assert [relative(path) for path in tracked("*.py") if {path.stem, path.parent.name} & VAGUE] == []


def test_top_level_folders_are_no_packages():
    assert tracked("operator/__init__.py", "node-agent/__init__.py", "tests/support/__init__.py") == []


@pytest.mark.parametrize("word", FOREIGN)
def test_the_project_speaks_of_itself_only(word):
    assert [relative(path) for path in tracked() if re.search(word.encode(), path.read_bytes())] == []
