"""What the kernel counted on the node's Networks, as Prometheus reads it. Asked for anew at each look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from orlop_agent.network.counts import Counts

_PORT = ("namespace", "port")
_PASSED = {
    "receive_bytes": "bytes that the guest was sent",
    "receive_packets": "packets that the guest was sent",
    "transmit_bytes": "bytes that the guest sent, dropped ones too",
    "transmit_packets": "packets that the guest sent, dropped ones too",
}


def exposition(found: Iterable[Counts]) -> bytes:
    """All of it; nothing that was said before is remembered."""
    registry = CollectorRegistry()
    registry.register(_Once(list(found)))
    return generate_latest(registry)


class _Once(Collector):
    def __init__(self, found: Sequence[Counts]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        passed = {
            name: CounterMetricFamily(f"orlop_port_{name}", text, labels=_PORT)
            for name, text in _PASSED.items()
        }
        dropped = CounterMetricFamily(
            "orlop_port_dropped_packets",
            "packets of the guest that were dropped, by reason",
            labels=(*_PORT, "reason"),
        )
        overlay = CounterMetricFamily(
            "orlop_overlay_dropped_packets",
            "packets from other nodes that were dropped, by reason",
            labels=("segment", "reason"),
        )
        groups = CounterMetricFamily(
            "orlop_group_dropped_packets",
            "packets that SecurityGroups did not allow, by reason",
            labels=("segment", "reason"),
        )
        for counts in self._found:
            for port in counts.ports:
                who = (port.namespace, port.port)
                passed["receive_bytes"].add_metric(who, port.received_bytes)
                passed["receive_packets"].add_metric(who, port.received_packets)
                passed["transmit_bytes"].add_metric(who, port.sent_bytes)
                passed["transmit_packets"].add_metric(who, port.sent_packets)
                for reason, packets in sorted(port.dropped.items()):
                    dropped.add_metric((*who, reason), packets)
            for reason, packets in sorted(counts.overlay_dropped.items()):
                overlay.add_metric((str(counts.segment_id), reason), packets)
            for reason, packets in sorted(counts.groups_dropped.items()):
                groups.add_metric((str(counts.segment_id), reason), packets)
        yield from (*passed.values(), dropped, overlay, groups)
