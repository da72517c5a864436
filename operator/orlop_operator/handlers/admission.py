"""kopf's admission handlers: unpack, call, apply. Importing this registers them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kopf

from orlop_api.resource import GROUP, VERSION
from orlop_operator.admission.change import Change
from orlop_operator.admission.creation import at_creation
from orlop_operator.admission.update import at_update


@kopf.on.mutate(GROUP, VERSION, "floatingips", id="floatingips")
@kopf.on.mutate(GROUP, VERSION, "images", id="images")
@kopf.on.mutate(GROUP, VERSION, "instancegroups", id="instancegroups")
@kopf.on.mutate(GROUP, VERSION, "instances", id="instances")
@kopf.on.mutate(GROUP, VERSION, "networks", id="networks")
@kopf.on.mutate(GROUP, VERSION, "ports", id="ports")
@kopf.on.mutate(GROUP, VERSION, "routers", id="routers")
@kopf.on.mutate(GROUP, VERSION, "securitygroups", id="securitygroups")
@kopf.on.mutate(GROUP, VERSION, "volumes", id="volumes")
@kopf.on.mutate(GROUP, VERSION, "volumesnapshots", id="volumesnapshots")
async def admit(
    *,
    resource: kopf.Resource,
    body: kopf.Body,
    userinfo: Mapping[str, Any],
    patch: kopf.Patch,
    warnings: list[str],
    **cause: Any,
) -> None:
    """Which operations come here is the static configuration's business: kopf itself selects by kind only."""
    if cause["operation"] == "CREATE":
        change = at_creation(resource.plural, body, userinfo)
    else:
        change = at_update(resource.plural, cause["old"], body, userinfo)
    _apply(change, patch, warnings)


def _apply(change: Change, patch: kopf.Patch, warnings: list[str]) -> None:
    if change.finalizers is not None:
        patch.metadata["finalizers"] = list(change.finalizers)
    for key, value in change.annotations.items():
        patch.metadata.annotations[key] = value
    warnings.extend(change.warnings)
