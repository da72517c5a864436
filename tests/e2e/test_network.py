"""Guests reach each other across nodes, and only within their Network."""

import pytest

from orlop_cluster.lab import until
from support.lab import NAMESPACE, basics

pytestmark = pytest.mark.e2e

PING = """#!/bin/sh
n=0; until ping -c 1 -W 1 {to} >/dev/null 2>&1; do n=$((n+1)); [ $n -lt {tries} ] || break; done
ping -c 3 {to} | grep -E 'bytes from|received'
echo PINGED
"""

# By the kernel's counts, once a second: ping's own small buffer overflows when a busy machine halts its guest.
PROBE = """#!/bin/sh
until ping -c 1 -W 1 {to} >/dev/null 2>&1; do :; done
ping -q -i 0.01 {to} >/dev/null 2>&1 &
while sleep 1; do
    awk '/^Icmp:/ {{
        if (names++) print "UNANSWERED " $at["OutEchos"] - $at["InEchoReps"] " OF " $at["OutEchos"]
        else for (i = 1; i <= NF; i++) at[$i] = i
    }}' /proc/net/snmp
done
"""


def on(cluster, name, node, address, namespace=NAMESPACE, script=""):
    cluster.apply(
        cluster.placed(name, node, {"networkRef": {"name": "blue"}, "address": address}, script, namespace)
    )


def test_ping_between_nodes_and_isolation_of_tenants(cluster, guests):
    """Two tenants with the same CIDR and the same addresses; each reaches its own guest on the other node."""
    first, second = cluster.workers
    other = "e2e-other"
    cluster.apply(*basics(cluster, guests, other))
    cluster.wait("img/tiny", namespace=other)
    for namespace in (NAMESPACE, other):
        on(cluster, "far", second, "10.20.0.61", namespace)
        on(
            cluster,
            "near",
            first,
            "10.20.0.60",
            namespace,
            script=PING.format(to="10.20.0.61", tries=60),
        )
    # Only the other tenant has this address: nobody may answer here.
    on(cluster, "lonely", second, "10.20.0.62", other)
    on(
        cluster,
        "seeker",
        first,
        "10.20.0.63",
        NAMESPACE,
        script=PING.format(to="10.20.0.62", tries=10),
    )
    cluster.wait("inst --all", namespace=NAMESPACE, seconds=240)
    cluster.wait("inst --all", namespace=other, seconds=240)
    boots = set()
    for namespace in (NAMESPACE, other):
        near = cluster.get("inst", "near", namespace)
        assert near["status"]["nodeName"] == first
        console = until(lambda near=near: cluster.console(near), lambda text: "PINGED" in text, 180)
        assert "64 bytes from 10.20.0.61" in console
        boots.add(cluster.answer(cluster.get("inst", "far", namespace))[1])
    assert len(boots) == 2
    seeker = cluster.get("inst", "seeker", NAMESPACE)
    console = until(lambda: cluster.console(seeker), lambda text: "PINGED" in text, 180)
    assert "bytes from" not in console
    assert " 0 packets received" in console or "0 received" in console
    cluster.delete("near", "far", "seeker")
    cluster.delete("near", "far", "lonely", namespace=other)
    cluster.kubectl("delete", "namespace", other, "--timeout=120s", timeout=150)


def test_no_packet_is_lost_while_the_agents_start_anew(cluster):
    """A guest pings one on the other node each 10 ms, from before to after."""
    first, second = cluster.workers
    on(cluster, "target", second, "10.20.0.65")
    on(cluster, "source", first, "10.20.0.64", script=PROBE.format(to="10.20.0.65"))
    cluster.wait("inst --all", namespace=NAMESPACE, seconds=240)
    source = cluster.get("inst", "source", NAMESPACE)

    def unanswered(after):
        """The fewest that lacked an answer at any look since so many were sent, and how many are sent by now."""
        seen = until(
            lambda: cluster.console(source),
            lambda text: len(looks(text)) > 3 and looks(text)[-4][1] > after,
            120,
        )
        found = [look for look in looks(seen) if look[1] > after]
        return min(lacking for lacking, _ in found), found[-1][1]

    before, sent = unanswered(0)
    agents = ("--namespace", "orlop-system", "daemonset/orlop-agent")
    cluster.kubectl("rollout", "restart", *agents)
    cluster.kubectl("rollout", "status", *agents, "--timeout=300s", timeout=330)
    cluster.wait("hv --all", namespace=NAMESPACE, seconds=120)
    _, meanwhile = unanswered(sent)
    assert meanwhile >= sent + 100
    after, _ = unanswered(meanwhile)
    assert after == before
    cluster.delete("source", "target")


def looks(console):
    """(unanswered, sent) of each look."""
    return [
        (int(words[-3]), int(words[-1]))
        for words in (line.split() for line in console.splitlines() if "UNANSWERED" in line)
        if len(words) > 3 and words[-2] == "OF"
    ]
