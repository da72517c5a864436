"""Keeps a Network's namespace at what its SecurityGroups say."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from orlop_agent.network import bridge_filter, group_rules, groups
from orlop_agent.network.book import NOTHING, Book, Followed
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.groups import Guard, Known, Only
from orlop_agent.network.ipv6 import IpAddress
from orlop_agent.network.node import Node
from orlop_agent.network.segment import Attachment

_LAST = (1 << 32) - 1
"""A connection's mark has 32 bits."""


class Guardian:
    """What was applied last, so that one change is one small transaction, for which one Port is looked at."""

    def __init__(self, node: Node, segment_id: int) -> None:
        self._node = node
        self._segment_id = segment_id
        self._have: Guard | None = None
        """None: not known, ask the kernel."""
        self._members: dict[str, set[IpAddress]] = {}
        self._owned: set[IPv4Address] = set()
        """The large parts of that, which change in place."""
        self._followed = Followed()
        self._bare = False
        """There are no tables, and nothing to be guarded."""
        self._is_new = False
        """There are no tables, and nothing is shown: nobody has to be asked."""
        self._number = 0
        """Of the rules that were applied last."""

    @property
    def knows(self) -> bool:
        """Whether it has applied something already."""
        return self._have is not None or self._bare

    def begin(self) -> None:
        """The namespace was just made, and shows nothing that is bridged."""
        self.forget()
        self._is_new = True

    def forget(self) -> None:
        """Somebody may have changed what is there."""
        self._have = None
        self._bare = self._is_new = False

    async def keep(
        self,
        attachments: Collection[Attachment],
        book: Book | None,
        known: Known | None,
        new: Sequence[Attachment] = (),
        others: Sequence[Book] = (),
    ) -> None:
        """Raises NetworkError, also where for one of the `new` not enough is known: no tap without its rules.

        What was in force is left so until everything is known: an agent that just began knows less than the last one.
        """
        try:
            told = book if book is not None else NOTHING
            guarded = {each.tap for each in attachments if groups.in_force(each, told)}
            concerned = guarded.intersection(each.tap for each in new)
            if book is not None and (known is not None or not guarded):
                near = groups.near(attachments, book, known or Known(), others)
                is_judged = await self._apply(near, book, others)
                # Who is in no group starts all the same; who looks at all of it says so, and looks again.
                if not is_judged and (concerned or not new):
                    raise NetworkError("BridgeFilterMissing", bridge_filter.MISSING)
            elif concerned:
                raise NetworkError("SecurityGroupsUnknown", groups.UNKNOWN)
        except ValueError as error:
            raise NetworkError("InvalidSecurityGroup", f"SecurityGroups cannot be kept: {error}") from error

    async def _apply(self, near: Guard, book: Book, others: Sequence[Book]) -> bool:
        """Have exactly this in force. Raises NetworkError; then what was in force before still is.

        False where the node cannot judge what is bridged: NICs in a group are sent none of that, and none of theirs
        goes on.
        """
        if self._bare and near == Guard():
            return True
        have = self._have
        there = None if have is not None else await self._there()
        if have is None and there is None and near == Guard():
            self._bare = True
            if not self._is_new:
                await self._show(near)
            return True
        # Nothing is waited for until it is known what to do: the books may change meanwhile.
        only = self._only(have, near, (book, *others))
        want = groups.far(near, book, others, only)
        old = groups.part(have, only) if have is not None else Guard()
        if have is not None and old == want:
            return True
        self.forget()
        # Whether it can be shown to the rules decides on them; and it is for as long as those before are in force.
        is_judged = not want.watched or await self._show(want)
        text = group_rules.whole(want, there or ()) if have is None else group_rules.changes(old, want)
        if have is None or not is_judged:
            text += group_rules.closed(() if is_judged else want.taps)
        if text:
            self._number = self._number % _LAST + 1
            await self._node.nft(text + group_rules.judged(self._number), inside=self._segment_id)
        if not want.watched:
            await self._show(want)
        if is_judged:
            self._have = self._changed(old, want, whole=only is None)
        return is_judged

    def _only(self, have: Guard | None, near: Guard, books: Sequence[Book]) -> Only | None:
        """What is to be looked at; None: all."""
        if have is None:
            self._followed.forget()
        news = self._followed.take(books)
        return groups.touched(news, have, near) if news is not None and have is not None else None

    def _changed(self, old: Guard, new: Guard, *, whole: bool) -> Guard:
        """What is in force, a part of which went from that to this; the rest is not even looked at."""
        if whole:
            self._members, self._owned = {}, set()
        for uid in self._members.keys() - new.members.keys():
            del self._members[uid]
        for uid, members in new.members.items():
            kept = self._members.setdefault(uid, set())
            kept -= old.members.get(uid, frozenset())
            kept |= members
        self._owned -= old.owned
        self._owned |= new.owned
        return replace(new, members=self._members, owned=self._owned)

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
        command = ["nft", "-j", "-t", "list", "ruleset", "inet"]
        said = "" if self._is_new else await self._node.run(command, inside=self._segment_id)
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
