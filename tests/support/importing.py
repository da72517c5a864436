"""Imports in a process of their own, whose memory can be measured:  importing.py < orders.json"""

import asyncio
import json
import sys
from pathlib import Path

from orlop_agent.image import fetch, web
from orlop_agent.image.store import ImageStore
from orlop_api.config import ImageConfig
from orlop_api.hypervisor import ImportOrder


async def main(told):
    web.SILENCE_SECONDS = fetch._RATE_WINDOW_SECONDS = 3.0
    store = ImageStore(Path(told["root"]), ImageConfig.model_validate(told["config"]))
    at_once = asyncio.Semaphore(8)

    async def run(order):
        async with at_once:
            return await store.run_import(ImportOrder.model_validate(order), lambda *_: None)

    orders = told["orders"]
    # The first one is slow, and under way while all the others fail.
    first = asyncio.create_task(store.run_import(ImportOrder.model_validate(orders[0]), lambda *_: None))
    reports = await asyncio.gather(*(run(order) for order in orders[1:]))
    return [report.wire() for report in [await first, *reports]]


def peak():
    """Bytes; getrusage would tell the most of the parent too, from before this program was loaded into it."""
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) * 1024


told = json.load(sys.stdin)
reports = asyncio.run(main(told))
left = sorted(path.name for path in Path(told["root"]).iterdir())
print(json.dumps({"reports": reports, "left": left, "peak": peak()}))
