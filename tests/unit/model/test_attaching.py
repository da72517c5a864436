"""Attach and detach, searched: no guest has a Volume that is not its Instance's, and no data is forgotten."""

from typing import Any

import pytest

from orlop_operator.reconcile.effects import Patch
from orlop_operator.reconcile.instance import assign, attachments, volumes
from unit.model.attaching import decide, search
from unit.model.attaching_world import World, lists


@pytest.fixture(autouse=True)
def _decided_anew() -> Any:
    decide.cache_clear()
    yield
    decide.cache_clear()


@pytest.mark.parametrize(
    ("most", "several"),
    [((4, 2), False), ((3, 2), True)],
    ids=["for one", "for several"],
)
def test_every_interleaving(most: tuple[int, int], several: bool) -> None:
    states, story, ends = search(most, several)
    assert story is None, "\n".join(story or ())
    assert states > 10_000
    for world in ends:
        assert _is_as_wished(world, several), world
    assert ends


def _is_as_wished(world: World, several: bool) -> bool:
    """Where nothing is left to do: who lists it has it, or another one has; who does not, does not."""
    attached = {claim.who for claim in world.disk.claims}
    wanted = {who for who in (0, 1) if lists(world.wishes[who])}
    guests = {who for who in (0, 1) if world.agents[who].has}
    fair = attached == wanted if several else attached <= wanted and bool(attached) == bool(wanted)
    return fair and guests == attached


def test_whoever_is_behind_and_does_not_know_breaks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a claim says of the Instance that it is for is looked at: the order's word alone is not enough."""
    monkeypatch.setattr(assign, "held_by", lambda *_: None)
    _, story, _ = search((4, 1), several=False)
    assert story is not None
    assert story[-1] == "a guest has a disk that is not attached to its Instance"


def test_a_claim_that_is_not_renewed_breaks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listing a Volume again without a new claim: a release that was planned before still goes through."""

    def claimed(*arguments: Any, renew: bool = False) -> Any:
        del renew
        return volumes.claim(*arguments)

    real = volumes.holds
    monkeypatch.setattr(attachments, "claim", claimed)
    monkeypatch.setattr(attachments, "held_by", lambda *_: _Newest())
    monkeypatch.setattr(attachments, "holds", real)
    _, story, _ = search((4, 1), several=False)
    assert story is not None
    assert story[-1] == "a guest has a disk that is not attached to its Instance"


class _Newest:
    """A claim that is taken for one of the Instance as it is, whatever it is."""

    def __getattr__(self, name: str) -> Any:
        class Always:
            def __eq__(self, _: object) -> bool:
                return True

            __hash__ = None  # type: ignore[assignment]

        return Always()


def test_what_is_freed_is_not_what_was_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it once was: freed without a word of data meant that there is none."""

    def forgetful(instance: Any, volume: Any, fresh: Any) -> Any:
        patch = volumes.detach(instance, volume, fresh)
        if fresh is None and not volumes.created(volume):
            patch.change["status"]["location"] = None
        return Patch(patch.kind, patch.seen, patch.change, patch.subresource)

    monkeypatch.setattr(attachments, "detach", forgetful)
    _, story, _ = search((3, 1), several=False)
    assert story is not None
    assert story[-1] == "data that was made is forgotten"
