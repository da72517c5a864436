"""Carries effects out and makes no choices: what it learns goes into the store, and the plan is made anew."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

import structlog

from orlop_api.instance import FINALIZER
from orlop_operator import errors
from orlop_operator.asking import ask
from orlop_operator.cluster import Cluster
from orlop_operator.kinds import ASSIGNMENT, CLAIM, INSTANCE, Kind, M
from orlop_operator.protocol import may_bind
from orlop_operator.reconcile.effects import (
    Announce,
    Apply,
    Ask,
    Bind,
    Body,
    Copied,
    CopySecret,
    Create,
    Delete,
    DropFinalizer,
    Effect,
    Ensure,
    Inform,
    InOrder,
    Patch,
    Remove,
    Report,
    created,
)
from orlop_operator.reconcile.instance.assign import fact
from orlop_operator.reconcile.instance.facts import Blocker
from orlop_operator.recorder import Recorder
from orlop_operator.rereading import reread
from orlop_operator.reviews import Reviews
from orlop_operator.store import Store, version

log = structlog.get_logger()

_NO_KEY = "SecretKeyNotFound"


@dataclass
class Learned:
    """What one look at one object found out that is in no store."""

    secrets: dict[tuple[str, str], Blocker | None] = field(default_factory=dict)
    """Namespace and name of each Secret for a node, and why it could not be put there; None where it was."""
    read: set[tuple[str, str, str]] = field(default_factory=set)
    """Kind, namespace and name of what was read uncached, or created or deleted by ourselves."""
    surprised: bool = False
    """Something was not as the plan believed: look again, whatever the plan said."""


def changed_by_others(seen: M, made: M) -> bool:
    """Whether the answer to a status write carries another spec, or a deletion, than its plan knew."""
    before, after = seen.metadata, made.metadata
    return (before.generation, before.deleting) != (after.generation, after.deleting)


class Executor:
    """Writes to the cluster on behalf of plans."""

    def __init__(self, cluster: Cluster, store: Store, reviews: Reviews, recorder: Recorder) -> None:
        self._cluster = cluster
        self._store = store
        self._reviews = reviews
        self._recorder = recorder
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """By uid: of several looks that change one object at once, all but one would meet a conflict."""
        self.claimed: set[str] = set()
        """Names of Claims whose POST is under way: others pick other addresses."""

    async def carry_out(self, effects: Iterable[Effect], learned: Learned) -> None:
        """All at the same time; the first error is raised after all have ended."""
        todo = [self._do(effect, learned) for effect in effects]
        if len(todo) == 1:
            await todo[0]
            return
        failed = [r for r in await asyncio.gather(*todo, return_exceptions=True) if r is not None]
        if failed:
            raise failed[0]

    def reserve(self, effects: Iterable[Effect]) -> set[str]:
        """Note the Claims that are about to be created; to be given to `release` afterwards."""
        names = {body["metadata"]["name"] for body in created(effects, CLAIM)}
        self.claimed |= names
        return names

    def release(self, names: set[str]) -> None:
        """The POSTs have ended; what was created is in the store."""
        self.claimed -= names

    async def _do(self, effect: Effect, learned: Learned) -> None:
        match effect:
            case Ask(question):
                await ask(self._cluster, question, self._reviews)
            case Create():
                await self._create(effect, learned)
            case Ensure(path, body):
                await self._ensure(path, body)
            case Patch():
                await self._patch(effect, learned)
            case Report():
                await self._report(effect, learned)
            case Delete():
                await self._delete(effect, learned)
            case Remove(path):
                await self._remove(path)
            case Apply(path, body):
                await self._cluster.apply(path, body)
            case DropFinalizer():
                await self._drop_finalizer(effect, learned)
            case CopySecret():
                learned.secrets[effect.namespace, effect.name] = await self._copy(effect)
            case Bind():
                await self._bind(effect, learned)
            case Announce():
                self._recorder.announce(effect)
            case Inform(kind, namespace, name):
                await self._inform(kind, namespace, name, learned)
            case InOrder(effects):
                for one in effects:
                    await self._do(one, learned)

    async def _create(self, effect: Create[Any], learned: Learned) -> None:
        kind, name = effect.kind, effect.body["metadata"]["name"]
        try:
            made = await self._cluster.create(kind, effect.body, effect.namespace)
        except errors.AlreadyExistsError:
            await self._inform(kind, effect.namespace, name, learned)
        except errors.UnavailableError:
            # Whether it was applied is not known: read before anything else is decided.
            await self._inform(kind, effect.namespace, name, learned)
            raise
        else:
            self._store.observe(kind, made)
            learned.read.add((kind.name, effect.namespace, name))

    async def _ensure(self, path: str, body: Body) -> None:
        try:
            await self._cluster.post(path, body)
        except errors.AlreadyExistsError:
            log.debug("already there", path=path, name=body["metadata"].get("name"))

    async def _patch(self, effect: Patch[Any], learned: Learned) -> None:
        async with self._turns.setdefault(effect.seen.metadata.uid, asyncio.Lock()):
            await self._patch_in_turn(effect, learned)

    async def _patch_in_turn(self, effect: Patch[Any], learned: Learned) -> None:
        kind, seen = effect.kind, effect.seen
        known = self._store.get(kind, seen.metadata.namespace, seen.metadata.name)
        if known is not None and version(known) > version(seen):
            # Another look has written it meanwhile: the API server would say no more than that.
            learned.surprised = True
            return
        try:
            made = await self._cluster.patch(kind, seen, effect.change, effect.subresource)
        except (errors.ConflictError, errors.NotFoundError):
            await self._inform(kind, seen.metadata.namespace, seen.metadata.name, learned)
        except errors.UnavailableError:
            await self._inform(kind, seen.metadata.namespace, seen.metadata.name, learned)
            raise
        else:
            self._store.observe(kind, made)
            if effect.subresource == "status":
                learned.surprised |= changed_by_others(seen, made)

    async def _report(self, effect: Report[Any], learned: Learned) -> None:
        kind, seen = effect.kind, effect.seen
        try:
            made = await self._cluster.apply_status(kind, seen, effect.status)
        except (errors.ConflictError, errors.NotFoundError):
            # Another uid has the name, or it is gone: no status of ours belongs there.
            await self._inform(kind, seen.metadata.namespace, seen.metadata.name, learned)
        else:
            self._store.observe(kind, made)
            # The answer carries what a user wrote meanwhile, and their event is then no news to the store.
            learned.surprised |= changed_by_others(seen, made)

    async def _delete(self, effect: Delete[Any], learned: Learned) -> None:
        kind, meta = effect.kind, effect.seen.metadata
        try:
            await self._cluster.delete(
                kind.path(meta.namespace, meta.name),
                uid=meta.uid,
                version=meta.resource_version if effect.unchanged else None,
            )
        except errors.NotFoundError:
            self._store.remove(kind, meta.namespace, meta.name, meta.uid)
        except errors.ConflictError:
            await self._inform(kind, meta.namespace, meta.name, learned)
            return
        except errors.UnavailableError:
            await self._inform(kind, meta.namespace, meta.name, learned)
            raise
        else:
            # As it is by now: an effect before this one may have taken the last finalizer off.
            known = self._store.get(kind, meta.namespace, meta.name)
            same = known is not None and known.metadata.uid == meta.uid
            if not (known if known is not None and same else effect.seen).metadata.finalizers:
                self._store.remove(kind, meta.namespace, meta.name, meta.uid)
        learned.read.add((kind.name, meta.namespace, meta.name))

    async def _remove(self, path: str) -> None:
        with suppress(errors.NotFoundError):
            await self._cluster.delete(path)

    async def _drop_finalizer(self, effect: DropFinalizer[Any], learned: Learned) -> None:
        kind, seen = effect.kind, effect.seen
        left = [name for name in seen.metadata.finalizers if name != FINALIZER]
        try:
            made = await self._cluster.patch(kind, seen, {"metadata": {"finalizers": left}})
        except errors.NotFoundError:
            self._store.remove(kind, seen.metadata.namespace, seen.metadata.name, seen.metadata.uid)
        except errors.ConflictError:
            await self._inform(kind, seen.metadata.namespace, seen.metadata.name, learned)
            raise
        else:
            if seen.metadata.deleting and not left:
                self._store.remove(kind, seen.metadata.namespace, seen.metadata.name, seen.metadata.uid)
            else:
                self._store.observe(kind, made)

    async def _bind(self, effect: Bind, learned: Learned) -> None:
        """Rule 1 of the protocol: the uncached read stands between the creation and the binding."""
        instance = await reread(
            self._cluster, self._store, INSTANCE, effect.instance_namespace, effect.instance_name
        )
        if instance is not None and may_bind(fact(instance), effect.assignment):
            await self._patch(Patch(ASSIGNMENT, effect.assignment, effect.change), learned)

    async def _inform(self, kind: Kind[Any], namespace: str, name: str, learned: Learned) -> None:
        learned.surprised = True
        await reread(self._cluster, self._store, kind, namespace, name)
        learned.read.add((kind.name, namespace, name))

    async def _copy(self, effect: CopySecret) -> Blocker | None:
        """Secrets are never kept: the texts pass through, from the users' objects to the node's."""
        texts: dict[str, str] = {}
        for part in effect.parts:
            text = await self._text(part)
            if isinstance(text, Blocker):
                if part.optional and text.reason == _NO_KEY:
                    continue
                return text
            texts[part.key] = text
        path = f"/api/v1/namespaces/{effect.namespace}/secrets"
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": effect.name}, "data": texts}
        try:
            await self._cluster.post(path, body)
        except errors.AlreadyExistsError:
            # Of an earlier placement, and the users' Secrets may have changed since.
            patch = [{"op": "add", "path": "/data", "value": texts}]
            await self._cluster.call(
                "PATCH", f"{path}/{effect.name}", patch, content_type="application/json-patch+json"
            )
        return None

    async def _text(self, part: Copied) -> str | Blocker:
        """In base64, as Secrets hold it."""
        if part.secret is None:
            return base64.b64encode((part.inline or "").encode()).decode()
        namespace, name, key = part.secret
        what = f"Secret {namespace}/{name}"
        try:
            secret = await self._cluster.call("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        except errors.NotFoundError:
            return Blocker("SecretNotFound", f"{what} does not exist")
        text = secret.get("data", {}).get(key)
        return Blocker(_NO_KEY, f"{what} has no key {key}") if text is None else str(text)
