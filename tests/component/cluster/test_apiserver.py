"""The API server without nodes: it serves, and it leaves with its owner."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orlop_cluster import gobuild
from orlop_cluster.apiserver import ApiServer, running
from orlop_cluster.process import StepError

pytestmark = pytest.mark.component


def test_serves_and_tells_who_wrote(apiserver: ApiServer) -> None:
    apiserver.kubectl("create", "namespace", "who-wrote")
    apiserver.kubectl("--as=alice", "auth", "whoami")
    version = json.loads(apiserver.kubectl("version", "-o", "json"))
    assert version["serverVersion"]["gitVersion"] == gobuild.KUBERNETES
    entries = [json.loads(line) for line in (apiserver.directory / "audit.log").read_text().splitlines()]
    [created] = [e for e in entries if e["verb"] == "create" and e["objectRef"].get("name") == "who-wrote"]
    assert created["user"]["username"] == "admin"
    with pytest.raises(StepError, match="alice"):
        apiserver.kubectl("--as=alice", "get", "secrets")


def test_two_side_by_side_and_bad_arguments() -> None:
    with running() as one, running() as two:
        assert one.url != two.url
        one.kubectl("create", "namespace", "mine")
        with pytest.raises(StepError, match="not found"):
            two.kubectl("get", "namespace", "mine")
    assert not one.directory.exists()
    with pytest.raises(StepError), running(["--no-such-flag"]):
        pass


def test_goes_when_its_owner_is_killed() -> None:
    code = (
        "import sys, time\nfrom orlop_cluster.apiserver import running\n"
        "with running() as s:\n  print(s.directory, flush=True)\n  time.sleep(600)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    directory = Path(owner.stdout.readline().strip())
    assert directory.is_dir()
    owner.kill()
    owner.wait()
    owner.stdout.close()
    deadline = time.monotonic() + 20
    while directory.exists():
        assert time.monotonic() < deadline, "the keeper outlived its owner"
        time.sleep(0.05)
    assert (
        str(directory)
        not in subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    )
