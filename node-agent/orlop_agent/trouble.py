"""A step did not work: the log is told, and the memory says when it is tried again."""

from __future__ import annotations

import time
from dataclasses import replace

import structlog

from orlop_agent import ending, outcome, steps
from orlop_agent.failure import StepError
from orlop_agent.observed import Memory, Trouble
from orlop_api.condition import Condition

_log = structlog.get_logger()


def of_instance(
    instance_uid: str,
    step: steps.Step,
    error: StepError,
    memory: Memory,
    failures: int,
    conditions: tuple[Condition, ...],
) -> tuple[Memory, float]:
    """The Instance waits until that moment; `failures` counts this one."""
    seconds = ending.delay(16 if error.permanent else failures - 1)
    retry_at = time.monotonic() + seconds
    noted = Trouble(error.reason, error.message, retry_at, conditions)
    _log.warning(
        "instance.trouble",
        instance=instance_uid,
        step=type(step).__name__,
        reason=error.reason,
        error=str(error.__cause__ or error.message),
        retry_seconds=seconds,
    )
    return replace(outcome.failed(step, error, memory), trouble=noted), retry_at


def of_device(
    instance_uid: str, step: steps.DiskStep | steps.NicStep, error: StepError, memory: Memory
) -> Memory:
    """One Volume or NIC of a guest that runs waits; nothing else does."""
    device = steps.device(step)
    _log.warning(
        "device.trouble",
        instance=instance_uid,
        device=device,
        step=type(step).__name__,
        reason=error.reason,
        error=str(error.__cause__ or error.message),
    )
    return outcome.device_failed(device, error, memory, time.monotonic())
