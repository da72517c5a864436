"""What is removed from the cache, and when nobody may say."""

import pytest

from orlop_agent.image.shelf import Shelf
from orlop_agent.metrics import CacheMetrics
from orlop_api.config import ImageConfig

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("answers", "left"),
    [
        ([set(), set()], []),
        ([None], [DIGEST]),
        ([set(), None], [DIGEST]),
        ([set(), {f"sha256:{DIGEST}"}], [DIGEST]),
    ],
    ids=["not in use", "not known", "not known by then", "in use by then"],
)
async def test_what_is_in_use_is_asked_again_before_anything_goes(tmp_path, answers, left):
    (tmp_path / DIGEST).write_bytes(b"x" * (2 << 20))
    asked = iter(answers)
    shelf = Shelf(tmp_path, ImageConfig(cache_capacity="1Mi"), lambda: next(asked), tuple, CacheMetrics())
    await shelf.clear()
    assert [path.name for path in tmp_path.iterdir()] == left
    assert next(asked, "all") == "all"
