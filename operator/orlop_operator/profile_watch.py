"""Follows the ConfigMap with the scheduler's profiles; a wrong one changes nothing, and is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import structlog
from pydantic import ValidationError

from orlop_operator import errors
from orlop_operator.cluster import Cluster
from orlop_operator.kinds import CONFIG_MAP, ConfigMap
from orlop_operator.listwatch import waits
from orlop_operator.reconcile.effects import Announce
from orlop_operator.scheduling.profiles import KEY, ONLY_BUILT_IN, Profiles, ProfilesError, of_config_map

log = structlog.get_logger()


class ProfileWatch:
    """Owns the last good profiles."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        *,
        use: Callable[[Profiles], None],
        announce: Callable[[Announce], None],
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._use = use
        self._announce = announce
        self._seen: str | None = None
        """Uid and resourceVersion of the ConfigMap that was looked at last."""
        self._good = False
        """Whether profiles of a ConfigMap are in force."""
        self.refused = False
        """Whether the ConfigMap as it is now is not used, for a mistake in it."""

    async def begin(self) -> None:
        """Read it once, before anything is decided."""
        try:
            await self._look()
        except errors.ForbiddenError as error:
            # Roles of an older installation: machines are placed all the same.
            log.warning(
                "scheduler profiles not readable", error=str(error), now="the built-in profile is used"
            )

    async def run(self) -> None:
        """Follow it until cancelled."""
        pauses = waits()
        while True:
            try:
                version = await self._look()
                async with aclosing(self._cluster.watch(CONFIG_MAP, version, self._namespace)) as events:
                    async for event, body in events:
                        pauses = waits()
                        if event != "BOOKMARK":
                            self.take(None if event == "DELETED" else body)
            except errors.ApiError as error:
                log.info("scheduler profiles not followed", error=str(error))
            await asyncio.sleep(next(pauses))

    async def _look(self) -> str:
        path, query = CONFIG_MAP.path(self._namespace), {"fieldSelector": CONFIG_MAP.watched}
        listed = await self._cluster.call("GET", path, query=query)
        self.take(listed["items"][0] if listed["items"] else None)
        version: str = listed["metadata"]["resourceVersion"]
        return version

    def take(self, body: dict[str, Any] | None) -> None:
        """The ConfigMap as it is now; None where there is none."""
        if body is None:
            if self._seen is not None or self._good:
                log.warning("scheduler profiles gone", now="the built-in profile is used")
                self._use(ONLY_BUILT_IN)
            self._seen, self._good, self.refused = None, False, False
            return
        seen = f"{body['metadata']['uid']} {body['metadata']['resourceVersion']}"
        if seen == self._seen:
            return
        self._seen = seen
        try:
            found = of_config_map(ConfigMap.model_validate(body).data)
        except ProfilesError as error:
            self.refused = True
            self._refuse(body, str(error))
            return
        self._good, self.refused = True, False
        self._use(found)
        log.info("scheduler profiles", profiles=sorted(found.by_name), default=found.default)
        self._tell(
            body, "Normal", "ProfilesInForce", f"profiles {', '.join(sorted(found.by_name))} are in force"
        )

    def _refuse(self, body: dict[str, Any], why: str) -> None:
        kept = "the last good one stays in force" if self._good else "the built-in profile is used until then"
        log.warning("scheduler profiles refused", why=why, now=kept)
        self._tell(body, "Warning", "ProfilesRefused", f"{KEY} is not used: {why}; {kept}")

    def _tell(self, body: dict[str, Any], kind: Any, reason: str, message: str) -> None:
        try:
            about = CONFIG_MAP.parse(body)
        except ValidationError:
            return  # without a readable name there is nothing that an Event could be about; the log has it
        self._announce(Announce(about, CONFIG_MAP.name, kind, reason, message))
