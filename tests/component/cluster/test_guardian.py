"""A test run that is killed leaves no process, also none that went its own way, and no directory."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from support import guardian

# A daemon as dnsmasq is one: in a session of its own, its parent gone.
RUNNER = """
import os, subprocess, time
from support import guardian
guardian.start()
(guardian.directory("left") / "file").touch()
subprocess.run(["sh", "-c", "setsid sleep 600 & setsid sh -c 'exec sleep 601' & true"])
print(os.environ[guardian.VARIABLE], flush=True)
time.sleep(600)
"""


def test_what_a_killed_run_started_ends():
    environment = os.environ | {"PYTHONPATH": str(Path(guardian.__file__).parents[1])}
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    with runner, runner.stdout as told:
        try:
            mark = f"{guardian.VARIABLE}={told.readline().strip()}"
            # A process has no environment for the moment in which it becomes another program.
            wait_for(lambda: len(guardian.marked(mark)) >= 2, 10)
            assert len(directories(mark)) == 1
        finally:
            os.kill(runner.pid, signal.SIGKILL)
    wait_for(lambda: not guardian.marked(mark), guardian.PATIENCE + 30)
    wait_for(lambda: not directories(mark), 10)


def directories(mark):
    run = mark.partition("=")[2]
    return list(guardian.DIRECTORIES.glob(f"left-{run[:8]}-*"))


def wait_for(happened, patience):
    deadline = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)
