"""Breadth-first search through every state that the world can reach.

A state is a tuple of small numbers, each the name of a part; the moves of a part are worked out once
for each combination that matters to it, so that most of the search is looking up.
"""

from collections import deque
from itertools import pairwise
from typing import NamedTuple

from unit.model.node_moves import node_moves
from unit.model.operator_moves import KEPT, operator_moves, user_moves
from unit.model.world import (
    DATA,
    DELETING,
    EMPTY,
    GONE,
    NODES,
    RUNNING,
    STOPPED,
    WIPED,
    new_epoch,
    no_order,
    renamed,
)


class State(NamedTuple):
    """The whole world."""

    instance: int
    order: object
    pending: int | None
    drop: bool
    nodes: tuple


class Result(NamedTuple):
    states: int
    steps: int
    broke: str | None
    """What was broken first."""
    trace: list
    """The sentences that lead there."""


class Model:
    """One variant of the world; what it remembers is only good for that variant."""

    def __init__(self, variant, *, symmetric=True):
        self.variant = variant
        self.symmetric = symmetric
        self._parts = []
        self._names = {}
        self._node_moves = {}
        self._store_moves = {}
        self._pairs = {}
        self._wrong = {}

    def name(self, part):
        """The number of a part."""
        number = self._names.get(part)
        if number is None:
            number = self._names[part] = len(self._parts)
            self._parts.append(part)
        return number

    def key(self, state):
        nodes = [self.name(node) for node in state.nodes]
        pair = self.name((state.order, state.pending)), *nodes
        return self._pack(state.instance, state.drop, *self._canonical(*pair))

    def state(self, key):
        instance, drop, store, first, second = _unpack(key)
        order, pending = self._parts[store]
        return State(instance, order, pending, bool(drop), (self._parts[first], self._parts[second]))

    @staticmethod
    def _pack(instance, drop, store, first, second):
        return instance | drop << 2 | store << 3 | first << 24 | second << 45

    def _canonical(self, store, first, second):
        """The nodes are alike: a state and its mirror image are the same."""
        if not self.symmetric or first <= second:
            return store, first, second
        swapped = self._pairs.get(store)
        if swapped is None:
            order, pending = self._parts[store]
            if order is not None and order.node is not None:
                order = order._replace(node=1 - order.node)
            swapped = self.name((order, None if pending is None else 1 - pending))
            self._pairs[store] = swapped
        return swapped, second, first

    def successors(self, key):
        """(sentence, next state, what was broken) for every step."""
        instance, drop, store, first, second = _unpack(key)
        known = instance, drop, store
        moves = self._store_moves.get(known)
        if moves is None:
            moves = self._store_moves[known] = self._of_store(*known)
        for said, instance2, drop2, store2, broke, effect in moves:
            nodes = (first, second) if effect is None else self._effect(effect, first, second)
            yield said, self._pack(instance2, drop2, *self._canonical(store2, *nodes)), broke
        deleting = instance in {DELETING, GONE}
        for index, node in ((0, first), (1, second)):
            known = deleting, store, index, node
            moves = self._node_moves.get(known)
            if moves is None:
                moves = self._node_moves[known] = self._of_node(*known)
            for said, store2, node2, broke, wrote in moves:
                changed = node2, second if index == 0 else first
                if wrote:
                    changed = self._effect("write", *changed)
                nodes = changed if index == 0 else changed[::-1]
                yield said, self._pack(instance, drop, *self._canonical(store2, *nodes)), broke

    def _of_store(self, instance, drop, store):
        order, pending = self._parts[store]
        changes = [*user_moves(instance), *operator_moves(self.variant, instance, order, pending, drop)]
        found = []
        for change in changes:
            wrote = change.order != KEPT
            order2 = change.order if wrote else order
            pending2 = None if wrote else pending if change.pending is None else change.pending
            effect = None
            if change.bound:
                effect = "bind"
            elif wrote and order2 is None:
                effect = "delete"
            elif wrote:
                effect = "write"
            drop2 = drop if change.drop is None else int(change.drop)
            found.append(
                (change.said, change.instance, drop2, self.name((order2, pending2)), change.broke, effect)
            )
        return found

    def _of_node(self, deleting, store, index, node):
        order, pending = self._parts[store]
        found = []
        for move in node_moves(self.variant, deleting, order, index, self._parts[node]):
            order2, node2 = renamed(move.order, index, move.node)
            store2 = self.name((order2, None if move.wrote else pending))
            said = f"{NODES[index]}: {move.said}"
            found.append((said, store2, self.name(node2), move.broke, move.wrote))
        return found

    def _effect(self, effect, first, second):
        """What a write to the order does to what the nodes hold."""
        known = effect, first, second
        pair = self._pairs.get(known)
        if pair is None:
            nodes = self._parts[first], self._parts[second]
            if effect == "write":
                nodes = tuple(node._replace(sent=None, sent_live=True) for node in nodes)
            else:
                nodes = new_epoch(nodes) if effect == "bind" else no_order(nodes)
            pair = self._pairs[known] = tuple(self.name(node) for node in nodes)
        return pair

    def wrong(self, key):
        """What must never be so, in any state."""
        instance, _, store, first, second = _unpack(key)
        known = instance == GONE, store, first, second
        if known not in self._wrong:
            order, _ = self._parts[store]
            nodes = self._parts[first], self._parts[second]
            self._wrong[known] = wrong(instance, order, nodes, shared=self.variant.shared)
        return self._wrong[known]

    def search(self, wanted=None, *, limit=10_000_000):
        """Every reachable state, or until something is broken whose name has `wanted` in it."""
        start = [
            self.key(State(instance, None, None, drop=False, nodes=(EMPTY, EMPTY)))
            for instance in (RUNNING, STOPPED)
        ]
        came = dict.fromkeys(start)
        queue, taken = deque(start), 0
        while queue and len(came) < limit:
            key = queue.popleft()
            for said, after, broke in self.successors(key):
                taken += 1
                if broke is None and after in came:
                    continue
                violated = broke or self.wrong(after)
                if violated and (wanted is None or wanted in violated):
                    return Result(len(came), taken, violated, [*self._trace(came, key), said])
                if after not in came:
                    came[after] = key
                    queue.append(after)
        self.came = came
        return Result(len(came), taken, None, [])

    def _trace(self, came, key):
        path = [key]
        while (before := came[path[-1]]) is not None:
            path.append(before)
        path.reverse()
        for before, after in pairwise(path):
            yield next(said for said, reached, _ in self.successors(before) if reached == after)


def _unpack(key):
    return key & 3, key >> 2 & 1, key >> 3 & 0x1FFFFF, key >> 24 & 0x1FFFFF, key >> 45


def wrong(instance, order, nodes, *, shared):
    """The invariants: a sentence where one does not hold."""
    running = [index for index, node in enumerate(nodes) if node.domain and node.domain.running]
    if len(running) > 1:
        return "two guests of the Instance run"
    if running:
        (index,) = running
        if instance == GONE:
            return "a guest runs, and its Instance is gone"
        if order is None or order.node != index or nodes[index].domain.ref.age:
            return "a guest runs without the right to"
        if order.answer is None or order.answer.state != "Starting":
            return "a guest runs at an epoch that was given up"
        if not shared and nodes[index].disk == DATA and nodes[1 - index].disk in {DATA, WIPED}:
            return "a guest runs from an empty disk while its data is elsewhere"
    if instance == GONE and not shared and any(node.disk == DATA for node in nodes):
        return "data is left, and the Instance is gone"
    return None
