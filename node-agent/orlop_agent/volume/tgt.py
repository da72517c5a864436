"""Targets by tgt (tgtadm(8)), which forgets all of them when it restarts.

The accounts are made by whoever runs tgtd, so that no CHAP secret has to come here: a target is only bound to one.
"""

from __future__ import annotations

import asyncio
import re

from orlop_agent.failure import StepError
from orlop_agent.volume.target import Unit

_DEADLINE = 30.0
_TARGET = re.compile(r"^Target (\d+): (\S+)$", re.MULTILINE)
_NO_ACCOUNT = "can't find the account"
_LOGGED_IN = "this target is still active"


class Tgt:
    """The tgtd of this node."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        """Two at once could choose the same number for a target."""

    async def publish(self, unit: Unit) -> None:
        async with self._one:
            shown = await self._run("show")
            numbers = {name: int(number) for number, name in _TARGET.findall(shown)}
            number = numbers.get(unit.target)
            if number is not None and _is_whole(shown, number):
                return
            if number is not None:
                # Of a publishing that was broken off.
                await self._run("delete", "--force", "--tid", str(number))
            number = number or max(numbers.values(), default=0) + 1
            tid = ("--tid", str(number))
            await self._run("new", *tid, "--targetname", unit.target)
            if unit.account is not None:
                await self._run("bind", *tid, "--user", unit.account, mode="account")
            lun = ("--lun", str(unit.lun))
            file = ("--bstype", "rdwr", "--backing-store", str(unit.file))
            await self._run("new", *tid, *lun, *file, mode="logicalunit")
            # QEMU then passes a guest's discards on, and tgtd gives the room back.
            await self._run("update", *tid, *lun, "--params", "thin_provisioning=1", mode="logicalunit")
            # Last: before that nobody may log in, and this is how a target is known to be whole.
            await self._run("bind", *tid, "--initiator-address", "ALL")

    async def withdraw(self, target: str, *, force: bool = True) -> None:
        async with self._one:
            numbers = {name: number for number, name in _TARGET.findall(await self._run("show"))}
            if target in numbers:
                await self._run("delete", *(["--force"] if force else []), "--tid", numbers[target])

    async def _run(self, operation: str, *arguments: str, mode: str = "target") -> str:
        command = ("tgtadm", "--lld", "iscsi", "--op", operation, "--mode", mode, *arguments)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise StepError("TargetsUnavailable", "tgtadm is not installed beside the agent") from error
        try:
            said, why = await asyncio.wait_for(process.communicate(), _DEADLINE)
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise StepError("TargetsUnavailable", "tgtd of this node does not answer") from error
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise _told(operation, why.decode(errors="replace"))
        return said.decode(errors="replace")


def _is_whole(shown: str, number: int) -> bool:
    """Whether the target got as far as the last step of its publishing: initiators may log in."""
    _, _, after = shown.partition(f"Target {number}: ")
    section = after.partition("\nTarget ")[0]
    return section.rpartition("ACL information:")[2].split() == ["ALL"]


def _told(operation: str, why: str) -> StepError:
    said = why.strip().splitlines()[-1] if why.strip() else "unknown cause"
    cause = said.removeprefix("tgtadm: ")
    if _NO_ACCOUNT in cause:
        return StepError("AccountNotFound", "tgtd of this node has no such account: make it there first")
    if _LOGGED_IN in cause:
        return StepError("InUse", "somebody is logged in to the target")
    if "can't connect" in cause or "can't send" in cause or "failed to send" in cause:
        return StepError("TargetsUnavailable", "tgtd does not run on this node")
    return StepError("TargetNotMade", f"tgtadm {operation}: {cause}")
