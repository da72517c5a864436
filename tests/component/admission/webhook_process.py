"""The webhook alone, as a process: `webhook_process.py PORT`; prints `ready` when API servers trust it."""

import asyncio
import sys

import kopf

from orlop_operator.cluster import connected
from orlop_operator.credentials import connection
from orlop_operator.handlers import admission  # noqa: F401 - registers the handlers
from orlop_operator.webhook import Webhook


async def main(port: int) -> None:
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.scanning.disabled = True

    @kopf.on.login()
    def login(**_: object) -> kopf.ConnectionInfo:
        return connection(settings)

    async with connected(lambda: connection(settings)) as cluster:
        webhook = Webhook(cluster, address="127.0.0.1", port=port)
        settings.admission.server = webhook
        running = asyncio.create_task(kopf.operator(settings=settings, clusterwide=True))
        while not webhook.ready:
            await asyncio.wait({running}, timeout=0.02)
            if running.done():
                break
        print("ready", flush=True)
        await running


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
