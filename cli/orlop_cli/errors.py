"""What may go wrong, as the user is told it. Exit code 2 is a wrong command line."""

from __future__ import annotations


class CommandError(Exception):
    """One sentence, and the exit code."""

    code = 1


class NotFoundError(CommandError):
    """There is no such object."""

    code = 1


class ForbiddenError(CommandError):
    """The cluster does not let this user read it, or does not know them."""

    code = 3


class NoClusterError(CommandError):
    """No cluster is named, or it does not answer, or it has no Orlop."""

    code = 4
