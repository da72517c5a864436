"""A real tgtd on loopback, with one account for CHAP."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from typing import Self

from support import guardian

ACCOUNT = "orlop"
PASSWORD = "a-chap-secret"  # noqa: S105 - of this server alone


class Tgtd:
    """Serves what tgtadm tells it; tgtadm finds it by the environment."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        # A socket's path has at most 107 bytes (unix(7)).
        self._directory = guardian.directory("tgt")
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        os.environ["TGT_IPC_SOCKET"] = str(self._directory / "s")
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        del os.environ["TGT_IPC_SOCKET"]
        shutil.rmtree(self._directory)

    async def start(self) -> None:
        """Begin with no target."""
        portal = f"portal=127.0.0.1:{self.port}"
        null = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(
            "tgtd", "--foreground", "--iscsi", portal, stdout=null, stderr=null
        )
        async with asyncio.timeout(10):
            while not await self._account():
                await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """It would serve its initiators to the end: it is killed, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()

    async def _account(self) -> bool:
        command = f"--lld iscsi --op new --mode account --user {ACCOUNT} --password {PASSWORD}"
        null = asyncio.subprocess.DEVNULL
        asked = await asyncio.create_subprocess_exec("tgtadm", *command.split(), stdout=null, stderr=null)
        return await asked.wait() == 0
