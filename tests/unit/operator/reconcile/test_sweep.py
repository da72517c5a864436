"""What a node may read and no Assignment or order asks for goes; a young copy may be of a placement under way."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from orlop_operator import errors
from orlop_operator.garbage import COPY_LASTS, Garbage
from orlop_operator.kinds import ASSIGNMENT, HYPERVISOR
from orlop_operator.store import Store

NOW = datetime(2026, 1, 1, tzinfo=UTC)


STORAGE = [SimpleNamespace(secret=SimpleNamespace(name="volume-1")), SimpleNamespace(secret=None)]


class OneNode:
    """A store with one Hypervisor and these Assignments, by uid and node."""

    def __init__(self, bound):
        self.bound = bound

    def all(self, kind):
        spec = SimpleNamespace(imports=[SimpleNamespace(image_uid="image-1")], pre_pulls=[], storage=STORAGE)
        return [SimpleNamespace(metadata=SimpleNamespace(name="node-1"), spec=spec)]

    def get(self, kind, namespace, name):
        assert kind is ASSIGNMENT
        node = self.bound.get(name)
        return SimpleNamespace(spec=SimpleNamespace(node_name=node)) if node else None


class Secrets:
    """The API server, with Secrets by name and age."""

    def __init__(self, ages):
        self.ages, self.deleted = ages, []

    async def get(self, kind, namespace, name):
        if name == "unreadable":
            return kind.parse({"spec": "of another version"})
        raise errors.NotFoundError(f"{kind.name} {namespace}/{name}")

    async def call(self, method, path):
        made = {name: (NOW - age).isoformat() for name, age in self.ages.items()}
        metadata = [{"name": n, "uid": n, "creationTimestamp": at} for n, at in made.items()]
        return {"items": [{"metadata": m} for m in metadata]}

    async def delete(self, path, *, uid):
        self.deleted.append(path.rsplit("/", 1)[1])


async def test_what_nobody_wants_goes_when_it_is_old():
    old, young = COPY_LASTS + timedelta(seconds=1), COPY_LASTS - timedelta(seconds=1)
    secrets = Secrets(
        {
            "wanted": old,
            "elsewhere": old,
            "gone": old,
            "unreadable": old,
            "new": young,
            "import-image-1": old,
            "import-image-2": old,
            "volume-1": old,
            "volume-2": old,
        }
    )
    garbage = Garbage(secrets, OneNode({"wanted": "node-1", "elsewhere": "node-2"}))
    await garbage.sweep_secrets(NOW)
    assert secrets.deleted == ["elsewhere", "gone", "import-image-2", "volume-2"]


async def test_a_node_that_comes_meanwhile_ends_no_sweep():
    store = Store()

    def comes(name):
        meta = {"name": name, "uid": name, "resourceVersion": "1"}
        store.observe(HYPERVISOR, HYPERVISOR.parse({"metadata": meta}))

    class Slow(Secrets):
        async def call(self, method, path):
            comes("node-2")
            return await super().call(method, path)

    comes("node-1")
    secrets = Slow({"gone": COPY_LASTS + timedelta(seconds=1)})
    await Garbage(secrets, store).sweep_secrets(NOW)
    assert secrets.deleted == ["gone"]
