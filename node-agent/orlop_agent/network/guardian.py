"""Keeps a Network's namespace at what its SecurityGroups say."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence

from orlop_agent.network import bridge_filter, group_rules, groups
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.groups import Guard
from orlop_agent.network.node import Node
from orlop_agent.network.segment import Attachment
from orlop_api.port import Port
from orlop_api.security_group import SecurityGroup

_LAST = (1 << 32) - 1
"""A connection's mark has 32 bits."""


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
            concerned = guarded.intersection(each.tap for each in new)
            if ports is not None and (known is not None or not guarded):
                is_judged = await self.apply(groups.guard(attachments, ports, known or {}, others))
                # Who is in no group starts all the same; who looks at all of it says so, and looks again.
                if not is_judged and (concerned or not new):
                    raise NetworkError("BridgeFilterMissing", bridge_filter.MISSING)
            elif concerned:
                raise NetworkError("SecurityGroupsUnknown", groups.UNKNOWN)
        except ValueError as error:
            raise NetworkError("InvalidSecurityGroup", f"SecurityGroups cannot be kept: {error}") from error

    async def apply(self, want: Guard) -> bool:
        """Have exactly this in force. Raises NetworkError; then what was in force before still is.

        False where the node cannot judge what is bridged: NICs in a group are sent none of that, and none of theirs
        goes on.
        """
        if self._have == want or (self._bare and want == Guard()):
            return True
        have = self._have
        there = None if have is not None else await self._there()
        if have is None and there is None and want == Guard():
            self._bare = True
            await self._show(want)
            return True
        # Whether it can be shown to the rules decides on them; and it is for as long as those before are in force.
        is_judged = not want.watched or await self._show(want)
        text = group_rules.whole(want, there or ()) if have is None else group_rules.changes(have, want)
        if have is None or not is_judged:
            text += group_rules.closed(() if is_judged else want.taps)
        self.forget()
        if text:
            self._number = self._number % _LAST + 1
            await self._node.nft(text + group_rules.judged(self._number), inside=self._segment_id)
        if not want.watched:
            await self._show(want)
        if is_judged:
            self._have = want
        return is_judged

    async def _show(self, want: Guard) -> bool:
        """Has what is bridged shown to the inet tables where somebody wants it judged; False where it cannot be."""
        argv = ["sh", "-ec", bridge_filter.SHOW, "sh", "1" if want.watched else "0"]
        said = await self._node.run(argv, inside=self._segment_id)
        if "missing" not in said or not want.nics:
            return True
        await self._node.load_bridge_filter()
        return "missing" not in await self._node.run(argv, inside=self._segment_id)

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
