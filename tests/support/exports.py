"""A real NBD server on loopback: the storage daemon of QEMU, as qemu-nbd is, with more than one export."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from pathlib import Path
from typing import Any, Self


class Exports:
    """Serves files that it makes below `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            "qemu-storage-daemon",
            *("--chardev", "stdio,id=talk", "--monitor", "chardev=talk"),
            *("--nbd-server", f"addr.type=inet,addr.host=127.0.0.1,addr.port={self.port}"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        await self._reply()
        await self._ask("qmp_capabilities")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._ask("quit")
        if self._process is not None:
            await self._process.wait()

    async def export(self, name: str, size: int) -> None:
        """Make a disk of zeros, and serve it under this name."""
        file = self._directory / f"{name}.export"
        with file.open("wb") as made:
            made.truncate(size)
        disk = {"driver": "raw", "node-name": name, "file": {"driver": "file", "filename": str(file)}}
        await self._ask("blockdev-add", **disk)
        await self._ask("block-export-add", type="nbd", id=name, **{"node-name": name, "writable": True})

    async def _ask(self, command: str, **arguments: Any) -> None:
        if self._process is None or self._process.stdin is None:
            raise AssertionError
        asked = {"execute": command, "arguments": arguments}
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        await self._process.stdin.drain()
        while "return" not in (said := await self._reply()):
            if "event" not in said:
                raise AssertionError(said)

    async def _reply(self) -> dict[str, Any]:
        if self._process is None or self._process.stdout is None:
            raise AssertionError
        said: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return said
