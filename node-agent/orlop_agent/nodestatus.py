"""What the node's Hypervisor status says of what was found, and which of it is news (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, TypeVar

import structlog

from orlop_agent.failure import MOST_MESSAGE, MOST_REASON, bounded
from orlop_agent.image.evict import Cached
from orlop_agent.network.routers import Unrouted
from orlop_api.hypervisor import HypervisorStatus, ImageCacheUsage
from orlop_api.resource import ApiModel
from orlop_api.router import UnroutedRouter

_MAX_IMAGES, _MAX_UNROUTED = 256, 64
_MOST_LOGGED = 2000
_Report = TypeVar("_Report", bound=ApiModel)

_log = structlog.get_logger()


def holdings(cached: Iterable[Cached], capacity: int, wanted: Collection[str]) -> dict[str, Any]:
    """What the status says of the image cache: digests that are wanted here or were used last, and how full it is."""
    files = sorted(cached, key=lambda file: (file.digest in wanted, file.used_at), reverse=True)
    used = sum(file.size for file in files)
    return {
        "images": sorted(file.digest for file in files[:_MAX_IMAGES]),
        "image_cache": ImageCacheUsage(files=len(files), used_bytes=used, capacity_bytes=capacity),
    }


def unrouted(found: Iterable[Unrouted]) -> list[UnroutedRouter]:
    """Routers that cannot be had here."""
    told = [
        UnroutedRouter(
            router_uid=each.router_uid,
            namespace=each.namespace,
            reason=bounded(each.error.reason, MOST_REASON),
            message=bounded(each.error.message, MOST_MESSAGE),
        )
        for each in found
    ]
    return sound(told[:_MAX_UNROUTED])


def sound(reports: Iterable[_Report]) -> list[_Report]:
    """Those that the API takes: one that it does not take would stop the whole status, of every other one too."""
    kept: list[_Report] = []
    for report in reports:
        try:
            type(report).model_validate(report.model_dump(mode="json", by_alias=True))
        except ValueError as error:  # pydantic's, of both
            _log.error("hypervisor.unsound", kind=type(report).__name__, error=str(error)[:_MOST_LOGGED])
        else:
            kept.append(report)
    return kept


def changes(wanted: HypervisorStatus, known: HypervisorStatus) -> dict[str, Any]:
    """The fields to write; conditions are the operator's and never among them."""
    new = wanted.model_dump(mode="json", by_alias=True, exclude={"conditions"})
    old = known.model_dump(mode="json", by_alias=True, exclude={"conditions"})
    return {name: value for name, value in new.items() if value != old[name]}
