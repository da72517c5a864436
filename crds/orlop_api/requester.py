"""Who asked for an Instance, as its annotations record it.

The admission webhook writes them, a ValidatingAdmissionPolicy compares them with the request, and the
operator reads them to ask the API server's authorizer on the requester's behalf. The groups are a JSON array
in sorted order: a group's name may hold any character, a comma too, so a joined string would be ambiguous.
Only quotation marks and backslashes are escaped, which is all that the policy's CEL can do; a name with a
control character is refused by that policy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orlop_api.instance import REQUESTED_BY, REQUESTED_BY_GROUPS, REQUESTED_BY_UID


@dataclass(frozen=True)
class Requester:
    """The user, as `request.userInfo` and a SubjectAccessReview name one."""

    username: str
    uid: str = ""
    groups: tuple[str, ...] = ()

    def annotations(self) -> dict[str, str]:
        """The three annotations; always all of them."""
        return {
            REQUESTED_BY: self.username,
            REQUESTED_BY_UID: self.uid,
            REQUESTED_BY_GROUPS: encode_groups(self.groups),
        }


def encode_groups(groups: Iterable[str]) -> str:
    """The groups in sorted order as a JSON array without spaces."""
    return json.dumps(sorted(groups), ensure_ascii=False, separators=(",", ":"))


def from_user_info(user_info: Mapping[str, Any]) -> Requester:
    """The requester that an AdmissionReview's `userInfo` names; uid and groups may be absent there."""
    return Requester(
        username=user_info["username"],
        uid=user_info.get("uid") or "",
        groups=tuple(sorted(user_info.get("groups") or ())),
    )


def from_annotations(annotations: Mapping[str, str]) -> Requester | None:
    """The requester that was recorded; None where there is none, or none that can be read."""
    username = annotations.get(REQUESTED_BY)
    if not username:
        return None
    try:
        groups = json.loads(annotations.get(REQUESTED_BY_GROUPS, ""))
    except ValueError:
        return None
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        return None
    return Requester(username, annotations.get(REQUESTED_BY_UID, ""), tuple(groups))
