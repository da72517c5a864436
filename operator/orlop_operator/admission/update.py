"""At an update of an Instance: who changes the spec is its requester from then on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orlop_api.instance import REQUESTED_BY, REQUESTED_BY_GROUPS, REQUESTED_BY_UID
from orlop_api.requester import from_user_info
from orlop_operator.admission.advice import advice
from orlop_operator.admission.change import Change


def at_update(old: Mapping[str, Any], new: Mapping[str, Any], user_info: Mapping[str, Any]) -> Change:
    """The change for an updated Instance.

    Any other update keeps the requester: annotations that a `kubectl replace` left out come back.
    """
    before, after = _annotations(old), _annotations(new)
    if old.get("spec") == new.get("spec"):
        wanted: dict[str, str | None] = {
            key: before.get(key) for key in (REQUESTED_BY, REQUESTED_BY_UID, REQUESTED_BY_GROUPS)
        }
        said: tuple[str, ...] = ()
    else:
        wanted = {**from_user_info(user_info).annotations()}
        said = advice(new.get("spec") or {})
    return Change(
        annotations={key: value for key, value in wanted.items() if after.get(key) != value}, warnings=said
    )


def _annotations(body: Mapping[str, Any]) -> Mapping[str, str]:
    return (body.get("metadata") or {}).get("annotations") or {}
