"""Objects of the API server as models: one that cannot be read is no reason to lose the others."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from orlop_agent.api.errors import UnreadableError
from orlop_agent.api.http import Body
from orlop_api.assignment import Assignment
from orlop_api.hypervisor import Hypervisor

_M = TypeVar("_M", Assignment, Hypervisor)


def read(model: type[_M], found: Body) -> _M:
    """The object; UnreadableError, for example for a value that only a newer operator knows."""
    try:
        return model.model_validate(found)
    except ValidationError as error:
        name = found.get("metadata", {}).get("name")
        raise UnreadableError(f"{model.__name__} {name} cannot be read: {error}") from error
