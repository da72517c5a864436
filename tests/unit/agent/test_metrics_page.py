"""The page on metrics names every metric of the agent."""

import re
from pathlib import Path

from orlop_agent.metrics import CacheMetrics

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
