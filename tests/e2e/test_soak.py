"""Chaos: operator, agents and libvirtd die at random moments of creates and deletes, and nothing is lost."""

import json
import os
import random
import threading
import time
from collections import Counter

import pytest

from orlop_cluster.lab import CommandError
from support.lab import NAMESPACE

pytestmark = [pytest.mark.e2e, pytest.mark.disruptive, pytest.mark.timeout(3600)]
ROUNDS = int(os.environ.get("ORLOP_SOAK", "5"))
RENEWING = """#!/bin/sh
n=0
while :; do
  sleep 5
  n=$((n + 1)); echo "asked $n"
  kill -USR1 "$(cat /run/dhcp/eth0.pid)"  # udhcpc: renew now
done
"""


class Sampler(threading.Thread):
    """Both nodes' running domains, once a second; remembers any Instance that ran on both."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.samples, self.twice, self.ended = cluster, 0, [], threading.Event()

    def run(self):
        while not self.ended.wait(1):
            seen = Counter()
            for node in self.cluster.workers:
                # Asked of QEMU's own processes: libvirtd may be down just now.
                found = self.cluster.on_node(
                    node, "bash", "-c", "pgrep -a -x qemu-system-x86 | grep -o 'guest=orlop-[0-9a-f-]*'; true"
                )
                seen.update(found.split())
            self.samples += bool(seen)
            self.twice += [name for name, count in seen.items() if count > 1]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join(30)


def kill_operator(cluster, dice):
    killed = cluster.kubectl(
        "delete", "pods", "-lapp.kubernetes.io/name=orlop-operator", "--namespace=orlop-system",
        "--grace-period=0", "--force",
    )  # fmt: skip
    assert "pod " in killed


def kill_agent(cluster, dice):
    # In brackets, or the shell that runs this would be meant too. The kubelet may still be holding back one that
    # was killed just before.
    kill = "until pkill -KILL -f '[/]orlop-agent'; do sleep 0.2; done"
    cluster.on_node(dice.choice(cluster.workers), "timeout", "120", "bash", "-c", kill, timeout=130)


def restart_libvirtd(cluster, dice):
    cluster.on_node(dice.choice(cluster.workers), "systemctl", "restart", "libvirtd")


def apply_patiently(cluster, name):
    """As GitOps does: a create is refused while no operator is there to admit it, and tried again."""
    deadline = time.monotonic() + 180
    while True:
        try:
            return cluster.apply(cluster.instance(name))
        except CommandError as refused:
            if "failed calling webhook" not in refused.stderr or time.monotonic() > deadline:
                raise
            time.sleep(0.5)


HAVOC = (kill_operator, kill_agent, restart_libvirtd)


def havoc_and_end(cluster, dice):
    """The rounds, until all that was created is Ready or gone; returns the names that shall be there."""
    live, started = [], time.monotonic()
    for number in range(ROUNDS):
        name = f"soak-{number}"
        apply_patiently(cluster, name)
        live.append(name)
        havoc = dice.choice(HAVOC)
        time.sleep(dice.uniform(0, 3))  # the random moment is the test
        havoc(cluster, dice)
        gone = live.pop(dice.randrange(len(live))) if dice.random() < 0.5 else None
        if gone:
            cluster.kubectl("delete", "inst", gone, "--namespace", NAMESPACE, "--wait=false")
        print(
            f"soak: {time.monotonic() - started:6.1f} s round {number}: {havoc.__name__}, delete {gone}",
            flush=True,
        )
    if live:
        cluster.wait(" ".join(f"inst/{name}" for name in live), namespace=NAMESPACE, seconds=300)
    wanted = {*live, "survivor-0", "survivor-1"}
    cluster.kubectl(
        "rollout", "status", "deployment/orlop-operator", "--namespace=orlop-system", "--timeout=180s"
    )
    for number in range(ROUNDS):
        if f"soak-{number}" not in wanted:
            cluster.delete(f"soak-{number}", "--ignore-not-found", seconds=180)
    return wanted


def test_nothing_is_lost_or_run_twice(cluster):
    seed = int(os.environ.get("ORLOP_SEED", str(random.SystemRandom().randrange(10**6))))
    print(f"\nsoak: {ROUNDS} rounds, ORLOP_SEED={seed}")
    dice = random.Random(seed)
    survivors = []
    for number, node in enumerate(cluster.workers):
        seen = cluster.create(
            f"survivor-{number}",
            placement={"nodeSelector": {"kubernetes.io/hostname": node}},
            userData={"inline": RENEWING},
        )
        cluster.booted(seen)
        survivors.append((seen, cluster.answer(seen)[1]))
    with Sampler(cluster) as sampler:
        wanted = havoc_and_end(cluster, dice)
    assert sampler.twice == []
    assert sampler.samples > 0
    items = cluster.get("inst", namespace=NAMESPACE)["items"]
    assert {item["metadata"]["name"] for item in items} == wanted
    assert sorted(cluster.all_domains()) == sorted(f"orlop-{item['metadata']['uid']}" for item in items)
    for seen, boot in survivors:
        assert cluster.answer(seen)[1] == boot
        console = cluster.console(seen)
        assert "lost its address" not in console
        asked, renewed = console.count("user-data: asked"), console.count("eth0 renewed")
        assert asked > 1
        assert renewed >= asked - 1, console  # the last one may be on its way
    cluster.delete(*wanted)
    left = json.loads(cluster.kubectl("get", "claims,assignments", "--all-namespaces", "-o", "json"))["items"]
    held = [item["metadata"]["name"] for item in left if "quarantinedUntil" not in item["spec"]]
    assert [name for name in held if not name.startswith("vni-")] == []
