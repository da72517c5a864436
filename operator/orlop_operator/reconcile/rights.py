"""May whoever made an Image or a Volume still have what it names? Asked each time before that is used. Pure.

The rights are those of whoever is recorded at its creation: a later edit by another lends none and takes none.
"""

from __future__ import annotations

from collections.abc import Mapping

from orlop_api.condition import Condition
from orlop_api.image import Image
from orlop_api.requester import Requester, from_annotations
from orlop_api.resource import GROUP
from orlop_api.volume import Volume
from orlop_operator.kinds import IMAGE, INSTANCE, VOLUME, VOLUME_SNAPSHOT
from orlop_operator.reconcile.conditions import false, true
from orlop_operator.reconcile.effects import Ask, Question
from orlop_operator.reconcile.instance.facts import Blocker, named
from orlop_operator.reconcile.source import credentials, published

AUTHORIZED = "Authorized"
"""Condition of an Image whose source asks for something."""
FORBIDDEN, REPLACED = "Forbidden", "SourceReplaced"
Answers = Mapping[Question, bool]
"""What the authorizer said lately."""


def of_image(image: Image) -> tuple[Question, ...]:
    """One for each Secret that a node needs to fetch it, none twice; or for what it is published from."""
    requester = from_annotations(image.metadata.annotations)
    if published(image):
        return (_origin(image, requester),) if requester is not None else ()
    secrets = dict.fromkeys(part.secret[:2] for part in credentials(image) if part.secret is not None)
    return tuple(Question(requester, "get", "", "secrets", *secret) for secret in secrets if requester)


def of_volume(volume: Volume) -> tuple[Question, ...]:
    """The one for what it begins as, if it begins as something."""
    requester, source = from_annotations(volume.metadata.annotations), volume.spec.source
    if requester is None or source is None:
        return ()
    home = volume.metadata.namespace
    if source.image_ref is not None:
        where = IMAGE.plural, source.image_ref.namespace or home, source.image_ref.name
    elif source.snapshot_ref is not None:
        where = VOLUME_SNAPSHOT.plural, home, source.snapshot_ref.name
    elif source.volume_ref is not None:
        where = VOLUME.plural, home, source.volume_ref.name
    else:
        return ()
    return (Question(requester, "use", GROUP, *where),)


def may_log_in(image: Image, answers: Answers) -> Ask | Blocker | None:
    """Whether a node may be given what the Image's source asks for; None where it may, or asks for nothing."""
    if not credentials(image):
        return None
    what = named("Image", image.metadata.namespace, image.metadata.name)
    found = _asked(of_image(image), answers, what)
    if isinstance(found, Blocker):
        return Blocker(found.reason, f"{found.message}: no node is given that any more")
    return found


def authorized(image: Image, right: Blocker | None) -> Condition | None:
    """Whether nodes may still be given what the source asks for; who has the Image keeps it."""
    if not credentials(image):
        return None
    if right is not None:
        message = f"{right.message}; nodes that have the Image keep it, and others get it from those"
        return false(AUTHORIZED, right.reason, message)
    return true(AUTHORIZED, AUTHORIZED, "whoever made the Image may get what its source asks for")


def may_publish(image: Image, answers: Answers) -> Ask | Blocker | None:
    """Whether a node may make the Image of what it names; once it is made nobody asks again."""
    return _asked(of_image(image), answers, named("Image", image.metadata.namespace, image.metadata.name))


def _origin(image: Image, requester: Requester) -> Question:
    """About the Volume or Instance that it is published from."""
    source, home = image.spec.source, image.metadata.namespace
    if source.volume_ref is not None:
        return Question(requester, "use", GROUP, VOLUME.plural, home, source.volume_ref.name)
    if source.instance_ref is not None:
        return Question(requester, "use", GROUP, INSTANCE.plural, home, source.instance_ref.name)
    raise AssertionError(image.metadata.name)


def may_begin(volume: Volume, answers: Answers) -> Ask | Blocker | None:
    """Whether the Volume may begin as what its source names."""
    if volume.spec.source is None:
        return None
    what = named("Volume", volume.metadata.namespace, volume.metadata.name)
    return _asked(of_volume(volume), answers, what)


def is_replaced(volume: Volume, origin_uid: str | None) -> bool:
    """Whether another object has the name of the one that the Volume was to begin as."""
    known = volume.status.origin_uid if volume.status is not None else None
    return None not in {known, origin_uid} and known != origin_uid


def replaced(volume: Volume) -> str:
    """The sentence that says so."""
    what = named("Volume", volume.metadata.namespace, volume.metadata.name)
    return f"what {what} was to begin as is gone, and another object has its name: create the Volume anew to have that"


def _asked(questions: tuple[Question, ...], answers: Answers, what: str) -> Ask | Blocker | None:
    if not questions:
        return Blocker(
            "NoRequester", f"nobody is recorded as who made {what}: create it anew through the webhook"
        )
    for question in questions:
        if question not in answers:
            return Ask(question)
        if not answers[question]:
            return Blocker(FORBIDDEN, f"{_denied(question.requester, question)}, and made {what}")
    return None


def _denied(requester: Requester, question: Question) -> str:
    thing = named(question.resource, question.namespace, question.name)
    return f"{requester.username} may not {question.verb} {thing}"
