"""<iotune>: what a guest may do with a disk in a second, at its start and changed while it runs."""

from __future__ import annotations

from orlop_agent.domain.element import Node, element
from orlop_agent.hypervisor import NO_LIMITS, Limits
from orlop_api.assignment import AssignedVolume

_IOPS, _BANDWIDTH = "total_iops_sec", "total_bytes_sec"


def limits_of(volume: AssignedVolume) -> Limits:
    """As the order has them."""
    wanted = volume.limits
    return Limits(
        wanted.iops_per_second,
        wanted.bytes_per_second,
        wanted.burst_iops_per_second,
        wanted.burst_bytes_per_second,
        wanted.burst_seconds,
    )


def iotune(limits: Limits) -> Node | None:
    """None where there is no limit."""
    set_ = {name: value for name, value in parameters(limits).items() if value}
    return (
        element("iotune", *(element(name, text=str(value)) for name, value in set_.items())) if set_ else None
    )


def parameters(limits: Limits) -> dict[str, int]:
    """The same as virDomainSetBlockIoTune takes it; 0 takes a limit away.

    How long a burst may last is said only beside one, as libvirt wants it.
    """
    made = {_IOPS: limits.iops, _BANDWIDTH: limits.bandwidth}
    for name, burst in ((_IOPS, limits.burst_iops), (_BANDWIDTH, limits.burst_bandwidth)):
        made[f"{name}_max"] = burst
        if burst:
            made[f"{name}_max_length"] = limits.burst_seconds
    return made


def read(found: Node | None) -> Limits:
    """From a live domain's description."""
    if found is None:
        return NO_LIMITS

    def value(name: str) -> int:
        return int(found.findtext(name) or 0)

    iops, bandwidth = value(f"{_IOPS}_max"), value(f"{_BANDWIDTH}_max")
    seconds = value(f"{_IOPS}_max_length") if iops else value(f"{_BANDWIDTH}_max_length") if bandwidth else 0
    return Limits(value(_IOPS), value(_BANDWIDTH), iops, bandwidth, seconds)
