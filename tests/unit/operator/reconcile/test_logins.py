"""Who made an Image may lose the right to its login: no node is given it any more, and who has the Image keeps it."""

from datetime import UTC, datetime, timedelta

from orlop_api.condition import find
from orlop_api.hypervisor import Hypervisor, node_namespace
from orlop_api.image import Image
from orlop_api.requester import Requester
from orlop_operator.reconcile.effects import Ask, CopySecret, Patch, Remove, Report
from orlop_operator.reconcile.image import ImageFacts, plan_image
from orlop_operator.reconcile.imports import Logins
from orlop_operator.reconcile.prepull import Nodes
from orlop_operator.reconcile.rights import of_image

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
ERIN = Requester("erin")
LOST = "erin may not get secrets demo/login, and made Image demo/a: no node is given that any more"
FETCHED = {"state": "Ready", "digest": DIGEST, "format": "raw", "sizeBytes": 1, "virtualSizeBytes": 1}


class World:
    """One Image with a login and one node; the authorizer says `allowed`."""

    def __init__(self, maker: Requester | None = ERIN, **spec: object) -> None:
        source = {"http": {"url": "https://images.example/a", "credentialsSecretRef": {"name": "login"}}}
        annotations = maker.annotations() if maker else {}
        self.image = {
            "metadata": {
                "name": "a", "namespace": "demo", "uid": "u", "generation": 1, "annotations": annotations
            },
            "spec": {"source": source, **spec},
        }  # fmt: skip
        ready = [{"type": "Ready", "status": "True", "reason": "AgentAlive"}]
        self.host: dict = {"metadata": {"name": "n1"}, "spec": {}, "status": {"conditions": ready}}
        self.now, self.failed_for = NOW, {}
        self.allowed = True
        self.copies: list[str] = []
        self.node: set[str] = set()
        """Names of what the node can read."""

    def look(self) -> float | None:
        answers, secrets = {}, {}
        for _ in range(20):
            image, host = Image.model_validate(self.image), Hypervisor.model_validate(self.host)
            logins = Logins(secrets, answers)
            nodes = Nodes((host,), {"n1": {}}, logins=logins)
            plan = plan_image(ImageFacts(image, self.now, (host,), nodes, self.failed_for, logins))
            for effect in plan.effects:
                match effect:
                    case Ask(question):
                        assert (question.requester, question.verb, question.group) == (ERIN, "get", "")
                        assert (question.resource, question.namespace, question.name) == (
                            "secrets", "demo", "login"
                        )  # fmt: skip
                        answers[question] = self.allowed
                    case CopySecret(namespace, name):
                        assert self.allowed, "a login went out without the right to it"
                        assert namespace == node_namespace("n1")
                        secrets[namespace, name] = None
                        self.copies.append(name)
                        self.node.add(name)
                    case Patch():
                        self.host["spec"] |= effect.change["spec"]
                    case Remove(path):
                        self.node.discard(path.rsplit("/", 1)[1])
                    case Report():
                        self.image["status"] = effect.status
            if not plan.effects or plan.final:
                return plan.again_after
        raise AssertionError("it does not settle")

    def answer(self, **report: object) -> None:
        self.host["status"]["imports"] = [
            {"imageUID": "u", "generation": order.get("generation", 0), **report} for order in self.orders
        ]
        self.look()

    @property
    def orders(self) -> list[dict]:
        return self.host["spec"].get("imports", [])

    def says(self, kind: str) -> tuple[str, str, str] | None:
        found = find(Image.model_validate(self.image).status.conditions, kind)
        return (found.status.value, found.reason, found.message) if found else None


def imported(**spec: object) -> World:
    world = World(**spec)
    world.look()
    assert world.node == {"import-u"}
    world.answer(**FETCHED)
    assert world.says("Ready")[:2] == ("True", "Imported")
    assert (world.orders, world.node - {"prepull-u"}) == ([], set())
    assert world.says("Authorized")[:2] == ("True", "Authorized")
    return world


def test_without_the_right_nothing_is_fetched() -> None:
    world = World()
    world.allowed = False
    again = world.look()
    assert (world.orders, world.copies) == ([], [])
    assert world.says("Ready") == ("False", "Forbidden", LOST)
    assert again is not None, "a right that comes back is no event"
    world.allowed = True
    world.look()
    assert world.copies == ["import-u"]


def test_an_image_of_nobody_gets_no_login() -> None:
    world = World(maker=None)
    world.look()
    assert world.says("Ready")[1] == "NoRequester"
    assert world.copies == []


def test_a_retry_asks_again_and_takes_the_login_back_from_the_node() -> None:
    world = World()
    world.look()
    world.answer(state="Failed", reason="ServerError", message="503")
    world.allowed, world.failed_for = False, {0: 3600.0}
    world.look()
    assert (world.orders, world.node) == ([], set())
    assert world.says("Ready") == ("False", "Forbidden", LOST)


def test_a_refresh_asks_again_and_the_image_stays() -> None:
    world = imported(refresh={"interval": "1h"})
    world.now += timedelta(hours=1)
    world.allowed = False
    again = world.look()
    assert (world.orders, world.copies) == ([], ["import-u"])
    assert world.says("Ready")[:2] == ("True", "Imported")
    assert world.says("Refreshed") == ("False", "Forbidden", f"{LOST}; the Image stays as it is")
    assert world.says("Authorized")[0] == "False"
    assert again == 30
    world.allowed = True
    world.look()
    assert len(world.orders) == 1
    world.answer(**FETCHED)
    assert world.says("Refreshed")[0] == "True"


def test_a_prepull_that_stands_loses_the_login_and_stays() -> None:
    world = imported(prePull={})
    [order] = world.host["spec"]["prePulls"]
    assert order["secret"]["name"] == "prepull-u"
    assert world.node == {"prepull-u"}
    world.allowed = False
    world.look()
    [order] = world.host["spec"]["prePulls"]
    assert "secret" not in order
    assert world.node == set()
    assert LOST in world.says("Authorized")[2]
    world.host["spec"]["prePulls"] = []
    world.look()
    assert world.host["spec"]["prePulls"] == []
    assert world.image["status"]["prePull"]["message"] == LOST


def test_an_image_without_a_login_asks_nobody() -> None:
    world = World()
    del world.image["spec"]["source"]["http"]["credentialsSecretRef"]
    assert of_image(Image.model_validate(world.image)) == ()
    world.look()
    world.answer(**FETCHED)
    assert world.says("Authorized") is None
