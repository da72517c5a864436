"""What a real guest sends and receives keeps to its Port's limits, as they come, change and go while it runs."""

import json
import re
from itertools import pairwise

import pytest

from orlop_cluster.lab import until
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e
MINE, OTHER = "10.20.0.95", "10.20.0.96"
MEGABIT = 1_000_000
FREE, BESIDE = 4.0, 2.5
"""Megabits a second that a guest has at least without limits, and in one direction while the other has one, where TCP's
acknowledgements wait: more than any limit here, and no more, for how fast a guest can be is what the rest of the
machine leaves it. Guests send no more than 26, so that they leave others time."""
LOOKS = 3
# Each sends to the other all the time, and says once a second what its card counted.
TALKS = """#!/bin/sh
cat >/run/sink <<'END'
#!/bin/sh
exec cat >/dev/null
END
cat >/run/source <<'END'
#!/bin/sh
while dd if=/dev/zero bs=64k count=5 2>/dev/null; do usleep 100000; done
END
chmod +x /run/sink /run/source
nc -ll -p 9 -e /run/sink &
while :; do nc -w 5 {to} 9 -e /run/source; sleep 1; done >/dev/null 2>&1 &
cd /sys/class/net/eth0/statistics
while sleep 1; do
  read -r up _ </proc/uptime; read -r received <rx_bytes; read -r sent <tx_bytes
  echo "COUNTED $up $received $sent END"
done
"""


def limits(**directions):
    """Of a Port, in megabits a second."""
    return {
        name: {"bitsPerSecond": f"{megabits}M", "burstBytes": "32Ki"} if megabits else None
        for name, megabits in directions.items()
    }


def port(cluster, qos):
    """The Port as of now, by which its guest runs on."""
    patch = json.dumps({"spec": {"qos": qos}})
    cluster.kubectl("patch", "oport", "limited", "--namespace", NAMESPACE, "--type=merge", "-p", patch)


def rates(cluster, guest, begun):
    """Megabits a second that the guest received and sent, over its last looks since `begun` and over those before."""
    seen = re.findall(r"COUNTED ([\d.]+) (\d+) (\d+) END", cluster.console(guest)[begun:])
    looks = [tuple(map(float, look)) for look in seen[-2 * LOOKS - 1 :: LOOKS]]
    if len(seen) <= 2 * LOOKS:
        return []
    return [
        (
            (received - before[1]) * 8 / (at - before[0]) / MEGABIT,
            (sent - before[2]) * 8 / (at - before[0]) / MEGABIT,
        )
        for before, (at, received, sent) in pairwise(looks)
    ]


def measured(cluster, guest, ingress=None, egress=None):
    """Has come to these limits, and keeps to them for as long again; a direction without one has far more."""
    least = FREE if ingress is egress is None else BESIDE

    def good(seen):
        return seen and all(
            rate > least if limit is None else 0.6 * limit <= rate <= 1.1 * limit
            for pair in seen
            for limit, rate in zip((ingress, egress), pair, strict=True)
        )

    begun = len(cluster.console(guest))
    seen = until(lambda: rates(cluster, guest, begun), good, 60)
    print(f"limits {ingress} {egress}: received and sent {seen} Mbit/s")


def test_a_guest_keeps_to_its_limits_as_they_change(cluster):
    node, _ = cluster.workers
    cluster.apply(
        cluster.object("Port", "limited", {"networkRef": {"name": "blue"}, "address": MINE}),
        cluster.placed(
            "partner", node, {"networkRef": {"name": "blue"}, "address": OTHER}, TALKS.format(to=MINE)
        ),
        cluster.placed("limited", node, {"portRef": {"name": "limited"}}, TALKS.format(to=OTHER)),
    )
    for name in ("partner", "limited"):
        cluster.wait(f"inst/{name}", namespace=NAMESPACE, seconds=240)
        cluster.booted(cluster.get("inst", name, NAMESPACE), seconds=240)
    guest = cluster.get("inst", "limited", NAMESPACE)

    measured(cluster, guest)
    port(cluster, limits(egress=2))
    measured(cluster, guest, egress=2)
    port(cluster, limits(ingress=2, egress=None))
    measured(cluster, guest, ingress=2)
    port(cluster, limits(ingress=1, egress=3))
    measured(cluster, guest, ingress=1, egress=3)
    port(cluster, None)
    measured(cluster, guest)

    assert cluster.console(guest).count("ORLOP-READY") == 1, "one start"
    cluster.delete("limited", "partner")
    cluster.delete("limited", kind="oport")
