"""Logs as JSON, one line an event."""

from __future__ import annotations

import logging
from typing import TextIO

import structlog


def configure(level: str, file: TextIO | None = None) -> None:
    """Write events from `level` (a name of logging's) to the file, or to standard output."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file),
        cache_logger_on_first_use=True,
    )
