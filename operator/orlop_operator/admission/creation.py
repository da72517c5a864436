"""At creation: the finalizer that lets the operator clean up, and who asked, where something is done in their name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orlop_api.instance import FINALIZER
from orlop_api.requester import from_user_info
from orlop_operator.admission.advice import advice
from orlop_operator.admission.change import Change

INSTANCES = "instances"
IMAGES = "images"
RECORDED = frozenset({INSTANCES, IMAGES, "volumes"})
"""Kinds whose requester is recorded. Of an Instance it is whoever wrote the spec last; of the others, whose spec says
the same for good, whoever made it: no later edit lends it a right or takes one from it."""


def at_creation(plural: str, body: Mapping[str, Any], user_info: Mapping[str, Any]) -> Change:
    """The change for a new object of this kind; `user_info` is the AdmissionReview's.

    Whatever the request itself claims about its requester is replaced: nobody speaks for another.
    """
    metadata = body.get("metadata") or {}
    finalizers = tuple(metadata.get("finalizers") or ())
    # Nothing is left behind by an Image that goes: what nodes keep of it, they evict.
    wanted = None if FINALIZER in finalizers or plural == IMAGES else (*finalizers, FINALIZER)
    annotations = from_user_info(user_info).annotations() if plural in RECORDED else {}
    return Change(wanted, annotations, advice(body.get("spec")) if plural == INSTANCES else ())
