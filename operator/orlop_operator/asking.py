"""One question to the API server's authorizer, with a line in the log for each answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from orlop_operator import errors

if TYPE_CHECKING:
    from orlop_operator.cluster import Cluster
    from orlop_operator.reconcile.effects import Body, Question
    from orlop_operator.reviews import Reviews

log = structlog.get_logger()

_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


async def ask(cluster: Cluster, question: Question, reviews: Reviews) -> None:
    """A SubjectAccessReview; the answer is remembered, counted and logged. errors.ApiError where there is none."""
    try:
        answer = await cluster.call("POST", _REVIEWS, review(question), safe=True)
    except errors.ApiError:
        reviews.failed += 1
        raise
    status = answer.get("status", {})
    allowed = bool(status.get("allowed"))
    reviews.remember(question, allowed=allowed)
    log.info(
        "authorization",
        user=question.requester.username,
        verb=question.verb,
        resource=f"{question.resource}.{question.group}".rstrip("."),
        namespace=question.namespace,
        name=question.name,
        allowed=allowed,
        why=status.get("reason") or status.get("evaluationError") or ("" if allowed else "no role allows it"),
    )


def review(question: Question) -> Body:
    """The SubjectAccessReview that asks it (authorization.k8s.io/v1)."""
    attributes = {
        "verb": question.verb,
        "group": question.group,
        "resource": question.resource,
        "name": question.name,
        "namespace": question.namespace,
    }
    who = question.requester
    spec: Body = {"user": who.username, "groups": list(who.groups), "resourceAttributes": attributes}
    if who.uid:
        spec["uid"] = who.uid
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
