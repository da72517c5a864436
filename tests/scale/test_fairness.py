"""How long one tenant's Instance waits for its node while ten thousand of another's are pending.

On a tenth of the nodes, each with ten times the room, that programs are not what it waits for: a thousand agents beside
the API server on two cores are. Nobody waits for the ten thousand afterwards.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from scale.conftest import INSTANCES, NODES, VCPUS
from scale.told import PATIENCE, SECONDS
from support import load, scale, wishes
from support.fleet import Fleet, fleet
from support.moments import moments
from support.scripted import ASSIGNMENTS, api

pytestmark = [pytest.mark.component, pytest.mark.timeout(PATIENCE)]

FEWER = max(1, NODES // 10)
NETWORKS = max(1, INSTANCES // 500)
OTHERS = 5


@pytest.fixture
def some(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    directory = tmp_path_factory.mktemp("fleet")
    with fleet(directory, FEWER, f"--vcpus={10 * VCPUS}", operators=("one", "two")) as made:
        yield made


async def test_another_tenants_instance_is_bound_within_two_seconds(some: Fleet, show_table: Any) -> None:
    """A few more than are to be pending, since some get Ready while the last are sent.

    They are pending once watches have told of them: while so many are sent, a server whose processors are full tells
    everybody seconds late, and that is nobody's turn. The other tenant has one after the other, each once the one
    before is bound. What counts is from the receipt of the create to the answer to the binding, both of the audit log.
    """
    async with api(some.server) as user:
        crowd, few = await load.tenants(user, 2, NETWORKS, "turns")
        bodies = load.wanted([crowd], INSTANCES + INSTANCES // 16, NETWORKS)
        names = [f"one-{n}" for n in range(OTHERS)]
        async with load.watched(user) as seen:
            await load.create(bodies, seen, len(bodies), closed=False)
            await seen.until(seen.uids, len(bodies), SECONDS)
            pending = len(bodies) - len(seen.ready)
            since = some.audit.stat().st_size
            for name in names:
                seen.sent[f"{few.namespace}/{name}"] = time.time()
                made = await few.make("instances", wishes.instance(few.namespace, name, networks=[]))
                uid = made["metadata"]["uid"]
                await user.until(ASSIGNMENTS, uid, lambda it: bool(it and it["spec"].get("nodeName")))
            left = len(bodies) - len(seen.ready)
            at = moments(load.audited(some, since), seen)
    took = [round(at[f"{few.namespace}/{name}"]["bound"], 3) for name in names]
    found = {"nodes": FEWER, "pending": pending, "pending_after": left, "bound_seconds": took}
    scale.record("fairness", found)
    title = "one tenant's Instances beside another's that are pending"
    show_table(title, tuple(found), [list(map(str, found.values()))])
    assert max(took) <= 2.0, f"{pending} of the other tenant's were pending"
