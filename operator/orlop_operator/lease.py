"""Which replica reconciles: a Lease, as client-go's leader election has it.

Correctness never depends on it (every decision is a compare-and-swap or a create by unique name); it spares
the work of doing everything twice. Other replicas' clocks are never compared with ours: a Lease has lapsed when
it did not change for its duration on our own monotonic clock.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from orlop_operator import errors
from orlop_operator.cluster import Cluster
from orlop_operator.kinds import LEASE, Lease

NAME = "orlop-operator"
DURATION = 15.0
RENEW_DEADLINE = 10.0
RETRY = 2.0

log = structlog.get_logger()


class Election:
    """Takes and keeps the Lease; tells by `lead` and `follow` when that changes."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        identity: str,
        *,
        lead: Callable[[], None],
        follow: Callable[[], None],
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._identity = identity
        self._lead = lead
        self._follow = follow
        self._clock = asyncio.get_running_loop().time
        self._seen: str = ""
        self._since = self._clock()
        self.leading = False

    async def run(self) -> None:
        """Stand for election until cancelled, and give the Lease back at the end."""
        # Up to when we lead without a renewal: well before others may, who wait for the Lease's duration.
        until = self._clock()
        try:
            while True:
                began = self._clock()
                longest = began + RENEW_DEADLINE / 2
                try:
                    async with asyncio.timeout_at(min(longest, until) if self.leading else longest):
                        won = await self._try()
                except (errors.ApiError, TimeoutError) as error:
                    log.warning("election failed", error=str(error) or type(error).__name__)
                    won = self.leading and self._clock() < until
                else:
                    # The API server wrote it some time after that, and its answer may have taken long.
                    until = began + RENEW_DEADLINE
                self._become(leading=won)
                # From when this try began: after a slow answer the next has as long as this one had.
                again = began + RETRY * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
                await asyncio.sleep((min(again, until) if won else again) - self._clock())
        finally:
            held = self.leading
            self._become(leading=False)
            if held:
                await self._release()

    def _become(self, *, leading: bool) -> None:
        if leading == self.leading:
            return
        self.leading = leading
        log.info("leading" if leading else "following", identity=self._identity)
        (self._lead if leading else self._follow)()

    async def _try(self) -> bool:
        """Take or renew; whether we hold it now."""
        try:
            lease = await self._cluster.get(LEASE, self._namespace, NAME)
        except errors.NotFoundError:
            body = {
                "apiVersion": LEASE.api_version,
                "kind": LEASE.name,
                "metadata": {"name": NAME},
                "spec": {**self._claim(), "leaseTransitions": 0},
            }
            try:
                await self._cluster.create(LEASE, body, self._namespace)
            except errors.AlreadyExistsError:
                return False
            return True
        if lease.metadata.resource_version != self._seen:
            self._seen, self._since = lease.metadata.resource_version, self._clock()
        holder = lease.spec.holder_identity
        duration = float(lease.spec.lease_duration_seconds or DURATION)
        if holder and holder != self._identity and self._clock() - self._since < duration:
            return False
        change = self._claim(anew=holder != self._identity)
        if holder != self._identity:
            change["leaseTransitions"] = (lease.spec.lease_transitions or 0) + 1
        try:
            written = await self._cluster.patch(LEASE, lease, {"spec": change})
        except errors.ConflictError:
            return False
        self._seen, self._since = written.metadata.resource_version, self._clock()
        return True

    def _claim(self, *, anew: bool = True) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": self._identity, "leaseDurationSeconds": int(DURATION), "renewTime": now}
        return spec | ({"acquireTime": now} if anew else {})

    async def _release(self) -> None:
        """An empty holder: the next candidate need not wait for the lapse."""
        try:
            async with asyncio.timeout(3):
                lease: Lease = await self._cluster.get(LEASE, self._namespace, NAME)
                if lease.spec.holder_identity == self._identity:
                    await self._cluster.patch(LEASE, lease, {"spec": {"holderIdentity": ""}})
        except (errors.ApiError, TimeoutError) as error:
            log.warning("the lease was not given back", error=str(error))
