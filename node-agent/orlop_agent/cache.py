"""The newest Assignment that anybody here has seen, by Instance uid; good for looking, never for destroying."""

from __future__ import annotations

from collections.abc import Iterator

from orlop_api.assignment import Assignment


class Cache:
    """Fed by the watch, by reads and by the answers to writes, in whatever order they arrive."""

    def __init__(self) -> None:
        self._known: dict[str, Assignment] = {}

    def get(self, instance_uid: str) -> Assignment | None:
        return self._known.get(instance_uid)

    def put(self, assignment: Assignment) -> bool:
        """Keep it unless a newer one is known; whether it was kept.

        Resource versions of one resource may be compared as numbers (Kubernetes documentation, "API
        concepts", resource versions).
        """
        known = self._known.get(assignment.metadata.name)
        if (
            known is not None
            and known.metadata.uid == assignment.metadata.uid
            and int(known.metadata.resource_version) >= int(assignment.metadata.resource_version)
        ):
            return False
        self._known[assignment.metadata.name] = assignment
        return True

    def drop(self, instance_uid: str) -> None:
        self._known.pop(instance_uid, None)

    def of_node(self, node: str) -> Iterator[Assignment]:
        """Those that name this node."""
        return (known for known in list(self._known.values()) if known.spec.node_name == node)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._known))
