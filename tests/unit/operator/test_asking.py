"""A question to the authorizer: remembered, counted, and told to whoever reads the log."""

import pytest
from structlog.testing import capture_logs

from orlop_api.requester import Requester
from orlop_operator import errors
from orlop_operator.asking import ask
from orlop_operator.health import Vitals, exposition
from orlop_operator.reconcile.effects import Question
from orlop_operator.reviews import Reviews

ALICE = Requester("alice", "a-1", ("devs",))
QUESTION = Question(ALICE, "use", "orlop.dev", "images", "golden", "debian-12")


class Answers:
    """An API server that says this to every review."""

    def __init__(self, said):
        self.said, self.sent = said, []

    async def call(self, method, path, body, *, safe):
        assert (method, path, safe) == ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", True)
        self.sent.append(body["spec"])
        if isinstance(self.said, Exception):
            raise self.said
        return {"status": self.said}


async def told(reviews, said):
    cluster = Answers(said)
    with capture_logs() as lines:
        await ask(cluster, QUESTION, reviews)
    return cluster.sent, lines


async def test_a_yes():
    reviews = Reviews(lambda: 0.0)
    sent, [line] = await told(reviews, {"allowed": True, "reason": "RBAC: allowed by RoleBinding x"})
    attributes = {
        "verb": "use",
        "group": "orlop.dev",
        "resource": "images",
        "name": "debian-12",
        "namespace": "golden",
    }
    assert sent == [{"user": "alice", "uid": "a-1", "groups": ["devs"], "resourceAttributes": attributes}]
    assert line == {
        "event": "authorization", "log_level": "info", "user": "alice", "verb": "use", "resource": "images.orlop.dev",
        "namespace": "golden", "name": "debian-12", "allowed": True, "why": "RBAC: allowed by RoleBinding x",
    }  # fmt: skip
    assert reviews.of((QUESTION,)) == {QUESTION: True}


async def test_a_no_says_why():
    _, [line] = await told(Reviews(lambda: 0.0), {"allowed": False})
    assert (line["allowed"], line["why"]) == (False, "no role allows it")


async def test_all_are_counted():
    reviews = Reviews(lambda: 0.0)
    await told(reviews, {"allowed": True})
    await told(reviews, {"allowed": False})
    with pytest.raises(errors.UnavailableError):
        await told(reviews, errors.UnavailableError("no answer"))
    page = exposition(Vitals(True, True, 0, 0, 0, 0, 0, reviews)).decode()
    for answer in ("allowed", "denied", "failed"):
        assert f'orlop_authorization_reviews_total{{answer="{answer}"}} 1.0' in page
    assert reviews.of((QUESTION,)) == {QUESTION: False}
