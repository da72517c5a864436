"""Keeps the FloatingIPs of a node: led to their NICs, answered for and announced where they came."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from pathlib import Path

from orlop_agent.network import floating
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.floating import Floating
from orlop_agent.network.inside import made_inside
from orlop_agent.network.presence import Presence
from orlop_agent.network.surroundings import Surroundings
from orlop_api.floating_ip import FloatingIP

Each = Callable[[Iterable[int], Callable[[Presence], Awaitable[None]]], Awaitable[None]]
Want = dict[int, tuple[Floating, ...]]


class FloatingIPs:
    """What was told of them, by namespace; of one that nobody told of, what an earlier agent recorded holds."""

    def __init__(self, around: Surroundings, each: Each, node: Path) -> None:
        self.told: dict[str, Collection[FloatingIP]] = {}
        self._around = around
        self._each = each
        self._node_namespace = node
        self._lock = asyncio.Lock()
        self._have: Want | None = None
        """What was applied last; None: not known."""

    async def keep(self, known: Mapping[int, Presence], *, sweep: bool = False) -> None:
        """Each where its NIC is, and no others. Raises NetworkError."""
        async with self._lock:
            out = {s: p for s, p in known.items() if p.attachments and p.segment.egress}
            want = {s: found for s, presence in out.items() if (found := self._wanted(presence))}
            have = None if sweep else self._have
            if have == want:
                return
            self._have = None
            records = self._around.records
            changed = [
                segment_id
                for segment_id in known
                if (have is None or have.get(segment_id) != want.get(segment_id))
                and (segment_id in want or records.has_floating(segment_id))
            ]

            async def apply(presence: Presence) -> None:
                if presence.needed:
                    found = want.get(presence.segment_id, ())
                    if found:
                        records.keep_floating(presence.segment_id, found)
                    await self._around.node.nft(floating.rules(found), inside=presence.segment_id)
                    records.keep_floating(presence.segment_id, found)

            await self._each(changed, apply)
            async with self._around.lock:
                await self._on_node(want, is_guarded=bool(out))
            self._have = want

    def _wanted(self, presence: Presence) -> tuple[Floating, ...]:
        attachments = list(presence.attachments.values())
        home = presence.segment.home
        if home in self.told:
            try:
                return floating.wanted(self.told[home], attachments, self._around.interfaces)
            except ValueError as error:
                raise NetworkError(
                    "InvalidFloatingIP", f"a FloatingIP cannot be had here: {error}"
                ) from error
        own = {address for each in attachments for address in each.addresses}
        return tuple(each for each in self._around.records.floating(presence.segment_id) if each.fixed in own)

    async def _on_node(self, want: Want, *, is_guarded: bool) -> None:
        """Who may speak first, and who hears last; what goes is unheard first."""
        node = self._around.node
        proxies = await node.read("ip", "-j", "neigh", "show", "proxy")
        ours = {
            (each["dst"], each["dev"])
            for each in proxies
            if str(each.get("protocol")) == str(floating.PROTOCOL)
        }
        answered = floating.answered(want)
        await node.ip(floating.unanswer(ours - answered))
        # The table goes with the last Network, and must not come back after it.
        if is_guarded and node.namespaces():
            await node.nft(floating.on_node(want))
        there = await node.read("ip", "-j", "-4", "route", "show", "proto", str(floating.PROTOCOL))
        have = [(each["dst"], each.get("gateway", ""), each["dev"]) for each in there]
        await node.ip(floating.routes(have, want, await self._ways() if any(want.values()) else {}))
        await self._announce(answered - ours)
        await node.ip(floating.answer(answered - ours))

    async def _ways(self) -> dict[str, str]:
        """The far end of each way out, by the near one's name."""
        found: dict[str, str] = {}
        for interface in await self._around.node.read("ip", "-j", "-4", "address", "show"):
            for entry in interface["addr_info"]:
                if entry.get("prefixlen") == 31 and "local" in entry:
                    octets = entry["local"].rsplit(".", 1)
                    found[interface["ifname"]] = f"{octets[0]}.{int(octets[1]) ^ 1}"
        return found

    async def _announce(self, new: Collection[tuple[str, str]]) -> None:
        """Neighbours that knew the address elsewhere learn that it is here."""
        for address, device in sorted(new):
            try:
                await asyncio.to_thread(_say, self._node_namespace, device, address)
            except OSError as error:
                raise NetworkError(
                    "AnnouncementFailed", f"{address} cannot be announced on {device}: {error.strerror}"
                ) from error


def _say(namespace: Path, device: str, address: str) -> None:
    def opened() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        made.bind((device, 0))
        return made

    with made_inside(namespace, opened) as door:
        for frame in floating.announcement(address, door.getsockname()[4]):
            door.send(frame)
