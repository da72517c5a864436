"""Keeps a Network's namespace at what its SecurityGroups say."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence

from orlop_agent.network import group_rules, groups
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.groups import Guard
from orlop_agent.network.node import Node
from orlop_agent.network.segment import Attachment
from orlop_api.port import Port
from orlop_api.security_group import SecurityGroup

_SWITCH = "/proc/sys/net/bridge/bridge-nf-call-ip"
_LAST = (1 << 32) - 1
"""A connection's mark has 32 bits."""
_SET = f"""
for each in {_SWITCH}tables {_SWITCH}6tables; do
  if [ -e "$each" ]; then echo "$1" > "$each"; else echo missing; fi
done
"""
"""Both families; in a Network without IPv6 there is none of it on the bridge."""


class Guardian:
    """What was applied last, so that one change is one small transaction."""

    def __init__(self, node: Node, segment_id: int) -> None:
        self._node = node
        self._segment_id = segment_id
        self._have: Guard | None = None
        """None: not known, ask the kernel."""
        self._bare = False
        """There are no tables, and nothing to be guarded."""
        self._number = 0
        """Of the rules that were applied last."""

    @property
    def knows(self) -> bool:
        """Whether it has applied something already."""
        return self._have is not None or self._bare

    def forget(self) -> None:
        """Somebody may have changed what is there."""
        self._have = None
        self._bare = False

    async def keep(
        self,
        attachments: Collection[Attachment],
        ports: Sequence[Port] | None,
        known: Mapping[str, SecurityGroup] | None,
        new: Sequence[Attachment] = (),
        others: Sequence[Port] = (),
    ) -> None:
        """Raises NetworkError, also where for one of the `new` not enough is known: no tap without its rules.

        What was in force is left so until everything is known: an agent that just began knows less than the last one.
        """
        try:
            found = groups.by_mac(ports or ())
            guarded = {each.tap for each in attachments if groups.in_force(each, found)}
            if ports is not None and (known is not None or not guarded):
                await self.apply(groups.guard(attachments, ports, known or {}, others))
            elif guarded.intersection(each.tap for each in new):
                raise NetworkError("SecurityGroupsUnknown", groups.UNKNOWN)
        except ValueError as error:
            raise NetworkError("InvalidSecurityGroup", f"SecurityGroups cannot be kept: {error}") from error

    async def apply(self, want: Guard) -> None:
        """Have exactly this in force. Raises NetworkError; then what was in force before still is."""
        if self._have == want or (self._bare and want == Guard()):
            return
        if self._have is not None:
            text = group_rules.changes(self._have, want)
        else:
            there = await self._there()
            if there is None and want == Guard():
                self._bare = True
                await self._show(want)
                return
            text = group_rules.whole(want, there or ())
        self.forget()
        if text:
            self._number = self._number % _LAST + 1
            await self._node.nft(text + group_rules.judged(self._number), inside=self._segment_id)
        # Rules first: what is shown to them is judged by them.
        await self._show(want)
        self._have = want

    async def _show(self, want: Guard) -> None:
        """Whether what is bridged is shown to the inet tables: only where somebody wants it judged."""
        shown = "1" if want.watched else "0"
        said = await self._node.run(["sh", "-ec", _SET, "sh", shown], inside=self._segment_id)
        if want.nics and "missing" in said:
            raise NetworkError(
                "BridgeFilterMissing",
                "this node cannot keep SecurityGroups: load the kernel module br_netfilter on it",
            )

    async def _there(self) -> set[str] | None:
        """Names of the chains and sets of an earlier agent; None where there is no table. Takes up its number."""
        said = await self._node.run(["nft", "-j", "-t", "list", "ruleset", "inet"], inside=self._segment_id)
        found = [
            (kind, entry)
            for each in json.loads(said or "{}").get("nftables", ())
            for kind, entry in each.items()
        ]
        if all((kind, entry.get("name")) != ("table", group_rules.TABLE) for kind, entry in found):
            # Connections may still bear the number of rules that somebody took away.
            self._number = secrets.randbelow(_LAST)
            return None
        numbers = (group_rules.number_of(entry) for kind, entry in found if kind == "rule")
        self._number = next((each for each in numbers if each is not None), None) or secrets.randbelow(_LAST)
        return {
            entry["name"]
            for kind, entry in found
            if kind in {"chain", "set"} and entry["table"] == group_rules.TABLE
        }
