"""<serial>: the console, kept by virtlogd in a log that it rotates."""

from __future__ import annotations

from pathlib import Path

from orlop_agent.domain.element import Node, element


def serial(log: Path) -> Node:
    return element(
        "serial", element("log", file=str(log), append="on"), element("target", port="0"), type="pty"
    )
