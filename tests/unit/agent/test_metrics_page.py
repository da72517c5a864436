"""The page on metrics names every metric of the agent."""

import re
from pathlib import Path

from orlop_agent.metrics import CacheMetrics
from orlop_agent.network import drops
from orlop_agent.network.counts import Counts, PortCounts
from orlop_agent.network_metrics import exposition

PAGE = (Path(__file__).parents[3] / "docs/reference/metrics.md").read_text()


def test_every_metric_is_on_the_page() -> None:
    metrics = CacheMetrics()
    with metrics.importing() as outcome:
        outcome.append("Ready")
    said = metrics.exposition((), 0).decode()
    exposed = dict(re.findall(r"^# TYPE (\w+) (\w+)$", said, re.MULTILINE))
    exposed = {name: kind for name, kind in exposed.items() if not name.endswith("_created")}
    listed = dict(re.findall(r"^\| `(orlop_image_cache_\w+)` \| (\w+) \|", PAGE, re.MULTILINE))
    assert listed == exposed
    assert 'orlop_image_cache_import_seconds_count{result="Ready"} 1.0' in said


def test_every_metric_of_networks_is_on_the_page() -> None:
    port = PortCounts("red", "www", 1, 2, 3, 4, {"forged_arp": 5, "vlan": 6})
    said = exposition([Counts(4097, (port,), {"rogue_dhcp": 7}, {"denied_ingress": 8})]).decode()
    exposed = dict(re.findall(r"^# TYPE (\w+) (\w+)$", said, re.MULTILINE))
    assert (
        dict(re.findall(r"^\| `(orlop_(?:port|overlay|group)_\w+)` \| (\w+) \|", PAGE, re.MULTILINE))
        == exposed
    )
    for line in (
        'orlop_port_receive_bytes_total{namespace="red",port="www"} 1.0',
        'orlop_port_receive_packets_total{namespace="red",port="www"} 2.0',
        'orlop_port_transmit_bytes_total{namespace="red",port="www"} 3.0',
        'orlop_port_transmit_packets_total{namespace="red",port="www"} 4.0',
        'orlop_port_dropped_packets_total{namespace="red",port="www",reason="forged_arp"} 5.0',
        'orlop_port_dropped_packets_total{namespace="red",port="www",reason="vlan"} 6.0',
        'orlop_overlay_dropped_packets_total{reason="rogue_dhcp",segment="4097"} 7.0',
        'orlop_group_dropped_packets_total{reason="denied_ingress",segment="4097"} 8.0',
    ):
        assert line in said.splitlines()


def test_every_reason_is_explained() -> None:
    page = (Path(__file__).parents[3] / "docs/explanation/network.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \| ", page, re.MULTILINE)) >= drops.CAUSES.keys()
