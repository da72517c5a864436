"""Why objects wait for their namespace's Quota, as its last look said. It is said anew after a restart."""

from __future__ import annotations

from collections.abc import Mapping


class Verdicts:
    """Of each namespace what its Quota refused."""

    def __init__(self) -> None:
        self._refusals: dict[str, Mapping[str, str]] = {}

    def of(self, namespace: str, uid: str) -> str:
        """The sentence about the object with this uid; empty where none was said."""
        return self._refusals.get(namespace, {}).get(uid, "")

    def say(self, namespace: str, refusals: Mapping[str, str]) -> list[str]:
        """Remember these instead of what was said before; uids of those for whom that is news."""
        before = self._refusals.pop(namespace, {})
        if refusals:
            self._refusals[namespace] = refusals
        return [uid for uid in {**before, **refusals} if before.get(uid) != refusals.get(uid)]
