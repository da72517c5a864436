"""An Image that is pinned: what may still happen to it, and what never does."""

from datetime import UTC, datetime, timedelta

from orlop_api.condition import find, timestamp
from orlop_api.hypervisor import Hypervisor
from orlop_api.image import Image
from orlop_operator.reconcile.effects import Patch, Report
from orlop_operator.reconcile.image import ImageFacts, plan_image
from orlop_operator.reconcile.prepull import Nodes
from orlop_operator.reconcile.refresh import LONGEST_HISTORY

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def digest(n: int) -> str:
    return f"sha256:{n:064x}"


def report(n: int | None, **more: object) -> dict:
    if n is None:
        return {"state": "Failed", "reason": "NotFound", "message": "not there", **more}
    return {
        "state": "Ready",
        "digest": digest(n),
        "format": "raw",
        "sizeBytes": n,
        "virtualSizeBytes": n,
        **more,
    }


class World:
    """One Image and one node, moved as the operator and the node would."""

    def __init__(self, **spec: object) -> None:
        source = {"http": {"url": "https://images.example/a"}}
        self.image = {
            "metadata": {"name": "a", "uid": "u", "generation": 1},
            "spec": {"source": source, **spec},
        }
        self.host: dict = {"metadata": {"name": "n1"}, "spec": {}, "status": {}}
        self.host["status"]["conditions"] = [{"type": "Ready", "status": "True", "reason": "AgentAlive"}]
        self.now = NOW
        self.writes = 0

    def look(self) -> float | None:
        """Plan and act until nothing is left; seconds until the next look."""
        for _ in range(10):
            image, host = Image.model_validate(self.image), Hypervisor.model_validate(self.host)
            nodes = Nodes((host,), {"n1": {}})
            plan = plan_image(ImageFacts(image, self.now, (host,), nodes))
            for effect in plan.effects:
                self.writes += 1
                if isinstance(effect, Patch):
                    self.host["spec"] |= effect.change["spec"]
                elif isinstance(effect, Report):
                    self.image["status"] = effect.status
            if not plan.effects:
                return plan.again_after
        raise AssertionError("it does not settle")

    def answer(self, n: int | None) -> None:
        """The node does what it is asked."""
        self.host["status"]["imports"] = [
            report(n, imageUID="u", generation=order.get("generation", 0)) for order in self.orders
        ]
        self.look()
        self.host["status"]["imports"] = []

    @property
    def orders(self) -> list[dict]:
        return self.host["spec"].get("imports", [])

    @property
    def status(self):
        return Image.model_validate(self.image).status

    @property
    def history(self) -> list[str]:
        return [past.digest for past in self.status.history or ()]

    def says(self, kind: str) -> tuple[str, str] | None:
        found = find(self.status.conditions, kind)
        return (found.status.value, found.reason) if found else None


def imported(**spec: object) -> World:
    world = World(**spec)
    world.look()
    world.answer(1)
    assert world.orders == []
    assert world.says("Ready") == ("True", "Imported")
    return world


def test_without_a_wish_it_rests() -> None:
    world = imported()
    writes = world.writes
    world.now += 1000 * HOUR
    assert world.look() is None
    assert world.writes == writes
    assert world.status.refresh is None
    assert world.status.history is None


def test_it_follows_its_source() -> None:
    world = imported(refresh={"interval": "24h"})
    assert world.history == [digest(1)]
    assert world.look() == 24 * 3600
    world.now += 24 * HOUR
    world.look()
    assert len(world.orders) == 1
    assert world.says("Ready") == ("True", "Imported"), "while it is looked at"
    assert world.status.digest == digest(1)
    world.answer(2)
    assert world.orders == []
    assert (world.status.digest, world.status.size_bytes) == (digest(2), 2)
    assert world.history == [digest(2), digest(1)]
    assert world.says("Refreshed") == ("True", "Fetched")
    assert world.look() == 24 * 3600


def test_nothing_of_the_old_file_stays_with_the_new_one() -> None:
    world = imported(refresh={"interval": "1h"})
    world.image["status"]["contentDigest"] = digest(99)
    world.now += HOUR
    world.look()
    world.answer(2)
    assert world.status.content_digest is None


def test_what_did_not_change_is_no_history() -> None:
    world = imported(refresh={"interval": "1h"})
    since = world.status.history[0].since
    world.now += HOUR
    world.look()
    world.answer(1)
    assert [(past.digest, past.since) for past in world.status.history] == [(digest(1), since)]
    assert world.status.refresh.succeeded_at == timestamp(world.now)


def test_a_failed_look_changes_nothing_and_is_told() -> None:
    world = imported(refresh={"interval": "1h"})
    world.now += HOUR
    world.look()
    world.answer(None)
    assert world.orders == []
    assert world.says("Ready") == ("True", "Imported")
    assert world.says("Refreshed") == ("False", "NotFound")
    assert world.status.digest == digest(1)
    assert world.status.refresh.succeeded_at == timestamp(NOW)
    assert world.look() == 3600
    world.now += HOUR
    world.look()
    world.answer(2)
    assert (world.says("Refreshed"), world.status.digest) == (("True", "Fetched"), digest(2))


def test_a_first_import_that_fails_is_not_ready() -> None:
    world = World(refresh={"interval": "1h"})
    world.look()
    world.answer(None)
    assert world.says("Ready") == ("False", "NotFound")
    assert world.status.history is None


def test_the_history_is_short() -> None:
    world = imported(refresh={"interval": "1h"})
    for n in range(2, 20):
        world.now += HOUR
        world.look()
        world.answer(n)
    assert world.history == [digest(n) for n in range(19, 19 - LONGEST_HISTORY, -1)]


def test_a_node_that_is_lost_on_the_way_is_left() -> None:
    world = imported(refresh={"interval": "1h"})
    world.now += HOUR
    world.look()
    world.host["status"]["conditions"][0]["status"] = "Unknown"
    assert world.look() == 60
    assert world.orders == []
    world.host["status"]["conditions"][0]["status"] = "True"
    world.look()
    assert len(world.orders) == 1


def test_the_wish_may_come_and_go() -> None:
    world = imported()
    world.image["spec"]["refresh"] = {"interval": "1h"}
    world.image["metadata"]["generation"] = 2
    world.look()
    assert len(world.orders) == 1
    assert world.status.observed_generation == 2
    world.answer(2)
    assert world.history == [digest(2), digest(1)]
    del world.image["spec"]["refresh"]
    world.image["metadata"]["generation"] = 3
    assert world.look() is None
    assert world.says("Refreshed") is None
    assert world.status.refresh is None
    assert world.status.digest == digest(2)
    assert find(world.status.conditions, "Ready").observed_generation == 3


def test_a_pre_pull_of_the_newest() -> None:
    world = imported(refresh={"interval": "1h"}, prePull={})
    (order,) = world.host["spec"]["prePulls"]
    assert order["image"]["digest"] == digest(1)
    assert world.status.pre_pull.selected == 1
    world.now += HOUR
    world.look()
    world.answer(2)
    (order,) = world.host["spec"]["prePulls"]
    assert order["image"]["digest"] == digest(2)
