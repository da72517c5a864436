"""At creation: the finalizer that lets the operator clean up, and on Instances who asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orlop_api.instance import FINALIZER
from orlop_api.requester import from_user_info
from orlop_operator.admission.advice import advice
from orlop_operator.admission.change import Change

INSTANCES = "instances"


def at_creation(plural: str, body: Mapping[str, Any], user_info: Mapping[str, Any]) -> Change:
    """The change for a new object of this kind; `user_info` is the AdmissionReview's.

    Whatever the request itself claims about its requester is replaced: nobody speaks for another.
    """
    metadata = body.get("metadata") or {}
    finalizers = tuple(metadata.get("finalizers") or ())
    wanted = None if FINALIZER in finalizers else (*finalizers, FINALIZER)
    if plural != INSTANCES:
        return Change(wanted)
    return Change(wanted, from_user_info(user_info).annotations(), advice(body.get("spec") or {}))
