"""One object read anew past the store, which learns what is there, or that what it knew is gone."""

from __future__ import annotations

from orlop_operator import errors
from orlop_operator.cluster import Cluster
from orlop_operator.kinds import Kind, M
from orlop_operator.store import Store


async def reread(cluster: Cluster, store: Store, kind: Kind[M], namespace: str, name: str) -> M | None:
    """The object as it is now; None where there is none."""
    # A 404 tells nothing of who came after it was said: the watch may bring one of the same name before the answer.
    before = store.get(kind, namespace, name)
    try:
        found = await cluster.get(kind, namespace, name)
    except errors.NotFoundError:
        if before is not None:
            store.remove(kind, namespace, name, before.metadata.uid)
        return None
    store.observe(kind, found)
    return found
