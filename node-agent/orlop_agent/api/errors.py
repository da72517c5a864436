"""What the API server may say instead of what was asked for.

ApiError
├── ConflictError      the object changed since it was read; read it and decide again
├── NotFoundError      it is not there
├── ForbiddenError     a policy, or a role, is against it; asking again does not help
├── InvalidError       the API server does not take the content: a mistake of ours
├── UnreadableError    it answered with an object that this agent does not understand: of a newer operator
├── ExpiredError       that resource version is too old to watch from; list again
└── UnavailableError   no answer, or one that says "later". A write may have been applied all the same
    └── UnauthorizedError   the token is not known (any more); nothing was done
"""

from __future__ import annotations


class ApiError(Exception):
    """A request that did not succeed."""


class ConflictError(ApiError):
    pass


class NotFoundError(ApiError):
    pass


class ForbiddenError(ApiError):
    pass


class InvalidError(ApiError):
    pass


class UnreadableError(ApiError):
    pass


class ExpiredError(ApiError):
    pass


class UnavailableError(ApiError):
    pass


class UnauthorizedError(UnavailableError):
    pass


_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
    422: InvalidError,
}


def from_status(status: int, message: str) -> ApiError:
    """The error for an HTTP status; what is not known (429, 5xx, a proxy's own) is worth a retry."""
    return _BY_STATUS.get(status, UnavailableError)(message)
