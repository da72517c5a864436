"""At an update: who changes an Instance's spec is its requester from then on; other records stay, and our finalizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orlop_api.instance import FINALIZER, REQUESTED_BY, REQUESTED_BY_GROUPS, REQUESTED_BY_UID
from orlop_api.requester import from_user_info
from orlop_operator.admission.advice import advice
from orlop_operator.admission.change import Change
from orlop_operator.admission.creation import INSTANCES, RECORDED


def at_update(
    plural: str, old: Mapping[str, Any], new: Mapping[str, Any], user_info: Mapping[str, Any]
) -> Change:
    """The change for an updated object.

    What a `kubectl replace` leaves out comes back: the finalizer, and annotations that say who asked, which
    change only with an Instance's spec. Of an object that is being deleted the finalizer is the operator's to take.
    """
    finalizers = _kept(old, new)
    if plural not in RECORDED:
        return Change(finalizers=finalizers)
    before, after = _annotations(old), _annotations(new)
    if plural != INSTANCES or old.get("spec") == new.get("spec"):
        wanted: dict[str, str | None] = {
            key: before.get(key) for key in (REQUESTED_BY, REQUESTED_BY_UID, REQUESTED_BY_GROUPS)
        }
        said: tuple[str, ...] = ()
    else:
        wanted = {**from_user_info(user_info).annotations()}
        said = advice(new.get("spec"))
    return Change(
        finalizers=finalizers,
        annotations={key: value for key, value in wanted.items() if after.get(key) != value},
        warnings=said,
    )


def _kept(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The finalizers with ours among them again; None where nothing is to be done."""
    before, after = old.get("metadata") or {}, new.get("metadata") or {}
    left = tuple(after.get("finalizers") or ())
    lost = FINALIZER in (before.get("finalizers") or ()) and FINALIZER not in left
    return (*left, FINALIZER) if lost and not before.get("deletionTimestamp") else None


def _annotations(body: Mapping[str, Any]) -> Mapping[str, str]:
    return (body.get("metadata") or {}).get("annotations") or {}
