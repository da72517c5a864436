"""`orlop-operator`: one replica of the operator, configured by its environment."""

from __future__ import annotations

import asyncio

from orlop_operator import journal
from orlop_operator.replica import run
from orlop_operator.settings import Settings


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = Settings()
    journal.configure(settings.log_level)
    asyncio.run(_main(settings))


async def _main(settings: Settings) -> None:
    # kopf turns the signals into its own orderly end, which ends everything else.
    await run(settings, asyncio.Event())


if __name__ == "__main__":
    main()
