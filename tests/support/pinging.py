"""A guest that pings all the time, and says on its console whether it is answered."""

import re

from orlop_cluster.lab import until
from support.lab import NAMESPACE, Cluster

PINGS = """#!/bin/sh
n=0; while [ $n -lt 900 ]; do
  n=$((n+1)); ping -c 1 -W 1 {to} >/dev/null 2>&1 && echo "SEEN $n" || echo "LOST $n"; sleep 0.3
done
"""

PINGS_BOTH = """#!/bin/sh
n=0; while [ $n -lt 900 ]; do
  n=$((n+1)); seen=
  ping -c 1 -W 1 {to} >/dev/null 2>&1 && seen=4
  ping6 -c 1 -W 1 {to6} >/dev/null 2>&1 && seen="$seen"6
  case "$seen" in 46) echo "SEEN $n";; "") echo "LOST $n";; *) echo "HALF $n";; esac; sleep 0.3
done
"""
"""By IPv4 and by IPv6: answered both ways, neither way, or one way alone."""


def now(cluster: Cluster, name: str, word: str) -> list[str]:
    """Until the guest says so, SEEN or LOST, three times in a row, from now on."""
    instance = cluster.get("inst", name, NAMESPACE)
    begun = len(cluster.console(instance))

    def lately() -> list[str]:
        return re.findall(r"user-data: (SEEN|LOST|HALF) \d+", cluster.console(instance)[begun:])

    return until(lately, lambda words: words[-3:] == [word] * 3, 60)
