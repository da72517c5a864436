"""What a NIC may carry in a second, as tc(8) has it. Pure.

What the guest receives waits in a token bucket at its tap (tc-tbf(8)). What it sends is first led to a device of its
own beside the tap, with such a bucket, and comes back as if from the tap: so it waits instead of being lost at once,
which TCP takes better, and every rule against forged frames sees it as before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from orlop_agent.network.batch import EXISTS, NO_DEVICE, Line
from orlop_agent.network.book import Book
from orlop_agent.network.segment import Attachment
from orlop_api.bandwidth import BandwidthLimit
from orlop_api.quantity import to_bytes

_LATENCY = "100ms"
"""How long a packet waits at most; what would wait longer is lost."""
_LEAST_BURST = 64 << 10
"""Guests hand over up to 64 KiB at once, which tc would have to cut otherwise."""
_BURST_SECONDS = 0.02
_NONE = ("Cannot delete qdisc with handle of zero", "Cannot find specified qdisc", *NO_DEVICE)
_IFB = "ifb"


@dataclass(frozen=True, slots=True)
class Rate:
    """One direction's limit."""

    bits: int
    burst: int

    @classmethod
    def of(cls, limit: BandwidthLimit) -> Self:
        """Raises ValueError."""
        bits = to_bytes(limit.bits_per_second)
        if limit.burst_bytes is not None:
            return cls(bits, to_bytes(limit.burst_bytes))
        return cls(bits, max(_LEAST_BURST, int(bits / 8 * _BURST_SECONDS)))


@dataclass(frozen=True, slots=True)
class Limits:
    """A NIC's; as its guest sees it."""

    received: Rate | None = None
    sent: Rate | None = None


UNLIMITED = Limits()


def wanted(attachments: Iterable[Attachment], book: Book) -> dict[str, Limits]:
    """Of each tap: what its Port says, and until that is known, what the order says. Raises ValueError."""
    found: dict[str, Limits] = {}
    for attachment in attachments:
        port = book.at(attachment.mac)
        is_its = port is not None and port.key[1] == attachment.nic.port_name
        qos = port.qos if port is not None and is_its else attachment.nic.qos
        if qos is None:
            found[attachment.tap] = UNLIMITED
            continue
        received = Rate.of(qos.ingress) if qos.ingress is not None else None
        found[attachment.tap] = Limits(received, Rate.of(qos.egress) if qos.egress is not None else None)
    return found


def beside(tap: str) -> str:
    """The device that holds back what the tap's guest sends."""
    return _IFB + tap.removeprefix("tap")


def present(links: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """All devices, from `ip link show`."""
    return frozenset(entry["ifname"] for entry in links)


def strange(devices: Iterable[str], taps: Iterable[str]) -> list[str]:
    """Devices beside taps that are not there any more."""
    owned = {beside(tap) for tap in taps}
    return sorted(name for name in devices if name.startswith(_IFB) and name not in owned)


def devices(want: Mapping[str, Limits]) -> list[Line]:
    """For ip(8), before the limits."""
    return [
        Line(text, EXISTS)
        for tap, limits in sorted(want.items())
        if limits.sent is not None
        for text in (f"link add {beside(tap)} type ifb", f"link set {beside(tap)} up")
    ]


def limits(want: Mapping[str, Limits]) -> list[Line]:
    """For tc(8). All can be repeated, and nothing that waits is lost by it."""
    lines: list[Line] = []
    for tap, each in sorted(want.items()):
        if each.received is None:
            lines.append(Line(f"qdisc delete dev {tap} root", _NONE))
        else:
            lines.append(Line(f"qdisc replace dev {tap} root {_bucket(each.received)}"))
        if each.sent is None:
            lines.append(Line(f"qdisc delete dev {tap} clsact", _NONE))
        else:
            lines += [
                Line(f"qdisc replace dev {beside(tap)} root {_bucket(each.sent)}"),
                Line(f"qdisc add dev {tap} clsact", ("Exclusivity flag on",)),
                # The classifier that every kernel has; by its handle there is one, however often it is asked for.
                Line(
                    f"filter replace dev {tap} ingress protocol all prio 1 handle 800::1 u32 match u32 0 0"
                    f" action mirred egress redirect dev {beside(tap)}"
                ),
            ]
    return lines


def unused(want: Mapping[str, Limits], there: frozenset[str]) -> list[str]:
    """Devices that nothing is led to any more."""
    return sorted(beside(tap) for tap, each in want.items() if each.sent is None and beside(tap) in there)


def _bucket(rate: Rate) -> str:
    return f"tbf rate {rate.bits}bit burst {rate.burst} latency {_LATENCY}"
