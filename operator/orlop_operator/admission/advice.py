"""What is allowed but probably not meant; kubectl prints these as warnings, and the object is admitted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SECRET = re.compile(r"(?im)^\s*-?\s*(plain_text_passwd|passwd|password)\s*:|-----BEGIN [A-Z ]*PRIVATE KEY")


def advice(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Sentences about an Instance's spec, each naming the field."""
    said: list[str] = []
    if not spec.get("networks"):
        said.append("spec.networks is empty: the machine has no NIC, and networks cannot be added later")
    inline = (spec.get("userData") or {}).get("inline") or ""
    if _SECRET.search(inline):
        said.append(
            "spec.userData.inline seems to hold a password or key, and whoever may read the Instance reads it:"
            " use spec.userData.secretRef"
        )
    return tuple(said)
