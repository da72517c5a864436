"""What is allowed but probably not meant; kubectl prints these as warnings, and the object is admitted."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECRET = re.compile(r"(?im)^\s*-?\s*(plain_text_passwd|passwd|password)\s*:|-----BEGIN [A-Z ]*PRIVATE KEY")


def advice(spec: object) -> tuple[str, ...]:
    """Sentences about an Instance's spec, each naming the field.

    The schema has not been asked yet: it refuses whatever is of another type, after this.
    """
    if not isinstance(spec, Mapping):
        return ()
    said: list[str] = []
    if not spec.get("networks"):
        said.append("spec.networks is empty: the machine has no NIC")
    user_data = spec.get("userData")
    inline = user_data.get("inline") if isinstance(user_data, Mapping) else None
    if isinstance(inline, str) and _SECRET.search(inline):
        said.append(
            "spec.userData.inline seems to hold a password or key, and whoever may read the Instance reads it:"
            " use spec.userData.secretRef"
        )
    return tuple(said)
