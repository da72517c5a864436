"""The programs of the node: ip, bridge and nft, there and in a Network's namespace. No choices here."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orlop_agent.network import bridge_filter, names
from orlop_agent.network.batch import Line, failures, script
from orlop_agent.network.errors import NetworkError

_DEADLINE = 20.0
"""Seconds for one program. All of them only talk to the kernel or to the node's systemd."""
_LINE = 0.1
"""Seconds beside for each line given: to bring a link to another namespace takes the kernel some hundredths."""
_FAILED = "NetworkSetupFailed"
_NSFS = "6e736673"
"""NSFS_MAGIC (linux/magic.h), as stat(1) tells it."""
Inside = int | str
"""The namespace of a segment, or one by its name."""
_log = logging.getLogger(__name__)


class Node:
    """Runs programs where the node sees its own network and mounts.

    Without `systemd` there, kernel modules are loaded by this process's own rights.
    """

    def __init__(self, shell: Sequence[str], netns_dir: Path, *, systemd: bool = False) -> None:
        self._shell = tuple(shell)
        self._netns_dir = netns_dir
        self._modprobe = bridge_filter.BY_SYSTEMD if systemd else bridge_filter.MODPROBE
        self._loading = asyncio.Lock()

    def namespaces(self) -> set[int]:
        """The segments that have a namespace here."""
        if not self._netns_dir.is_dir():
            return set()
        found = (names.segment_of(entry.name) for entry in self._netns_dir.iterdir())
        return {segment for segment in found if segment is not None}

    def routers(self) -> set[str]:
        """The namespaces of Routers here."""
        if not self._netns_dir.is_dir():
            return set()
        return {e.name for e in self._netns_dir.iterdir() if e.name.startswith(names.ROUTERS)}

    def namespace(self, inside: Inside) -> Path:
        return self._netns_dir / (names.namespace(inside) if isinstance(inside, int) else inside)

    def argv(self, argv: Sequence[str], inside: Inside | None) -> list[str]:
        """The command to run on the node, or in a namespace there; nsenter(1)."""
        into = [] if inside is None else ["nsenter", f"--net={self.namespace(inside)}", "--"]
        return [*self._shell, *into, *argv]

    async def run(self, argv: Sequence[str], *, inside: Inside | None = None, given: str = "") -> str:
        """Standard output of a program that must succeed. Raises NetworkError."""
        status, output, errors = await self._run(argv, inside, given)
        if status != 0:
            said = " ".join(errors.split()) or f"exit status {status}"
            raise NetworkError(_FAILED, f"{argv[0]}: {said}")
        return output

    async def ip(self, lines: Sequence[Line], *, inside: Inside | None = None, first: str = "") -> None:
        """With `first`, a script that must succeed: one process for both, since each takes milliseconds to start."""
        await self._batch("ip", lines, inside, first)

    async def mend(self, inside: Inside) -> None:
        """Remove a name without a namespace: what an `ip netns` leaves that was killed between its two steps.

        To add it would take it for one that is there, and nothing could be made inside, or removed. The caller sees to
        it that nobody adds it meanwhile. Raises NetworkError.
        """
        path = self.namespace(inside)
        try:
            if path.stat().st_dev != self._netns_dir.stat().st_dev:
                return
        except FileNotFoundError:
            return
        # What is mounted on the node may not be seen from here, so the node has the last word.
        if (await self.run(["stat", "-f", "-c", "%t", str(path)])).strip() != _NSFS:
            await self.run(["ip", "netns", "delete", path.name])

    async def bridge(self, lines: Sequence[Line], *, inside: Inside | None = None) -> None:
        await self._batch("bridge", lines, inside)

    async def tc(self, lines: Sequence[Line], *, inside: Inside | None = None) -> None:
        await self._batch("tc", lines, inside)

    async def nft(self, ruleset: str, *, inside: Inside | None = None, first: str = "") -> None:
        """One transaction: all of it or nothing (nft(8)). `first` as for `ip`."""
        await self.run(_after(first, ["nft", "-f", "-"]), inside=inside, given=ruleset)

    async def load_bridge_filter(self) -> None:
        """Where the node has the module br_netfilter and nobody loaded it yet. Raises NetworkError."""
        # One at a time: what it turns off at first somebody may have turned on by then.
        async with self._loading:
            script = ["sh", "-ec", bridge_filter.LOAD, "sh"]
            await self.run([*script, str(self._netns_dir), *self._modprobe])

    async def read(self, *argv: str, inside: Inside | None = None) -> list[dict[str, Any]]:
        """What ip or bridge say in JSON."""
        output = await self.run(argv, inside=inside)
        found = json.loads(output or "[]")
        # iproute2 leaves an empty object in the list for each entry that a filter took out.
        return [entry for entry in found if entry]

    async def _batch(
        self, program: str, lines: Sequence[Line], inside: Inside | None, first: str = ""
    ) -> None:
        if not lines:
            return
        argv = _after(first, [program, "-force", "-batch", "-"])
        status, _, errors = await self._run(argv, inside, script(lines))
        wrong = failures(lines, errors)
        if status != 0 and not errors:
            wrong.append(f"exit status {status}")
        if status != 0 and "Command failed" not in errors:
            wrong.append(" ".join(errors.split()))
        if wrong:
            raise NetworkError(_FAILED, f"{program}: {'; '.join(wrong)}")

    async def _run(self, argv: Sequence[str], inside: Inside | None, given: str) -> tuple[int, str, str]:
        pipe = asyncio.subprocess.PIPE
        deadline = _DEADLINE + _LINE * given.count("\n")
        try:
            process = await asyncio.create_subprocess_exec(
                *self.argv(argv, inside), stdin=pipe, stdout=pipe, stderr=pipe
            )
        except OSError as error:
            raise NetworkError(_FAILED, f"{argv[0]} cannot be run: {error.strerror}") from error
        try:
            async with asyncio.timeout(deadline):
                output, errors = await process.communicate(given.encode())
        except TimeoutError as error:
            raise NetworkError(_FAILED, f"{argv[0]} did not end within {deadline:.0f} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None  # noqa: S101 - communicate() returns when it has ended
        _log.debug("ran %s: %d", argv, process.returncode)
        return process.returncode, output.decode(errors="replace"), errors.decode(errors="replace")


def _after(script: str, argv: list[str]) -> list[str]:
    """The program once the script has succeeded, in the same process; sh(1)."""
    return ["sh", "-ec", f'{script}\nexec "$@"', "sh", *argv] if script else argv
