"""What it means that a guest ended by itself."""

from __future__ import annotations

from orlop_agent.hypervisor import EndReason
from orlop_api.instance import RestartPolicy

_FIRST, _MOST = 1.0, 300.0
LASTING = 600.0
"""Seconds after which a guest counts as having run well: its next end starts the count anew."""


def restarts(policy: RestartPolicy, reason: EndReason) -> bool:
    """Whether the policy starts the guest again."""
    match policy:
        case RestartPolicy.ALWAYS:
            return True
        case RestartPolicy.ON_FAILURE:
            return reason is not EndReason.SHUTDOWN
        case RestartPolicy.NEVER:
            return False


def delay(restarts_before: int) -> float:
    """Seconds to wait before the next start: 1, 2, 4 … 300."""
    return min(_FIRST * 2.0 ** min(restarts_before, 16), _MOST)


def explained(reason: EndReason) -> tuple[str, str]:
    """Reason and message of a guest that stays off."""
    match reason:
        case EndReason.SHUTDOWN:
            return "GuestStopped", "the guest powered itself off, and restartPolicy leaves it so"
        case EndReason.CRASHED:
            return "GuestCrashed", "the guest ended without a shutdown, and restartPolicy leaves it so"
        case EndReason.DESTROYED:
            return "GuestStopped", "somebody destroyed the domain on its node, and restartPolicy leaves it so"
