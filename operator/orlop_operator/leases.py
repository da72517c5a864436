"""How long a node has been silent, by our own monotonic clock: other machines' clocks are never believed."""

from __future__ import annotations

from collections.abc import Callable

from orlop_api.hypervisor import NODE_ACCOUNTS_NAMESPACE
from orlop_operator.kinds import Lease
from orlop_operator.store import Change


class Pulse:
    """When each node's Lease was last seen to change."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heard: dict[str, float] = {}

    def take_over(self, change: Change) -> bool:
        """Follow a Lease; whether its node was just heard."""
        new, old = change.new, change.old
        lease = new or old
        if not isinstance(lease, Lease) or lease.metadata.namespace != NODE_ACCOUNTS_NAMESPACE:
            return False
        name = lease.metadata.name
        if not isinstance(new, Lease):
            self._heard.pop(name, None)
            return False
        if isinstance(old, Lease) and old.spec.renew_time == new.spec.renew_time:
            return False
        self._heard[name] = self._clock()
        return True

    def silent_for(self, node: str) -> float | None:
        """Seconds since it was heard; None where it has no Lease."""
        heard = self._heard.get(node)
        return None if heard is None else self._clock() - heard
