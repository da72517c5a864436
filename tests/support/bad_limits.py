"""Bandwidth limits that must be refused, at Ports and at NICs."""

from __future__ import annotations

from support.bad import Bad

RATE = "must be a quantity from 64k to 100G, for example 100M"
BURST = "must be a quantity from 16Ki to 64Mi, for example 256Ki"
LONG = "burstBytes may be at most what bitsPerSecond carries in 60 seconds"


def _limit(**values: str) -> dict[str, object]:
    return {"spec.qos": {"egress": values}}


LIMITS = [
    Bad("a limit of nothing", "Port", {"spec.qos": {"ingress": {}}}, "spec.qos.ingress.bitsPerSecond"),
    Bad("too slow", "Port", _limit(bitsPerSecond="63k"), "spec.qos.egress.bitsPerSecond", RATE),
    Bad("too fast", "Port", _limit(bitsPerSecond="101G"), "spec.qos.egress.bitsPerSecond", RATE),
    Bad("in words", "Port", _limit(bitsPerSecond="10 Mbit/s"), "spec.qos.egress.bitsPerSecond", RATE),
    Bad("in milli-units", "Port", _limit(bitsPerSecond="1000000000m"), "spec.qos.egress.bitsPerSecond", RATE),
    Bad(
        "a burst of less than a packet",
        "Port",
        _limit(bitsPerSecond="1M", burstBytes="1Ki"),
        "spec.qos.egress.burstBytes",
        BURST,
    ),
    Bad(
        "a burst of minutes",
        "Port",
        _limit(bitsPerSecond="100k", burstBytes="1Mi"),
        "spec.qos.egress",
        LONG,
    ),
    Bad(
        "limits beside a Port",
        "Instance",
        {
            "spec.networks.0": {
                "name": "eth0",
                "portRef": {"name": "a"},
                "qos": {"egress": {"bitsPerSecond": "1M"}},
            }
        },
        "spec.networks[0]",
        "qos goes with networkRef: a Port has its own",
    ),
]
