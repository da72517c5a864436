"""What can go wrong between the operator and the API server."""

from __future__ import annotations


class ApiError(Exception):
    """The API server did not do what it was asked; the message is its own."""

    def __init__(self, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; 0 where there was no answer."""
        self.reason = reason
        """metav1.Status.reason, for example AlreadyExists."""


class NotFoundError(ApiError):
    """The object, or its namespace, is not there."""


class ConflictError(ApiError):
    """The object is not what the writer had read: another uid or resourceVersion. Read, and decide again."""


class AlreadyExistsError(ApiError):
    """The name is taken: whoever created it first has won."""


class ForbiddenError(ApiError):
    """The authorizer, a policy or a terminating namespace forbids it."""


class InvalidError(ApiError):
    """The object breaks its schema or one of its rules."""


class UnavailableError(ApiError):
    """No answer, or one that says: try again. Whether a write was applied is not known."""


class UnsettledError(Exception):
    """An object still wanted something after many looks in a row."""


def from_status(status: int, reason: str, message: str) -> ApiError:
    """The error for an HTTP status and a metav1.Status."""
    kind: type[ApiError]
    if status == 404:
        kind = NotFoundError
    elif status == 409:
        kind = AlreadyExistsError if reason == "AlreadyExists" else ConflictError
    elif status in {401, 429} or status >= 500:
        kind = UnavailableError
    elif status == 403:
        kind = ForbiddenError
    elif status == 422:
        kind = InvalidError
    else:
        kind = ApiError
    return kind(message, status=status, reason=reason)
