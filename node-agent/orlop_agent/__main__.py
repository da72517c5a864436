"""`orlop-agent`: one process on each node, beside libvirtd; everything it must not forget is in files."""

from __future__ import annotations

import asyncio
import signal
import sys
from importlib.metadata import version
from pathlib import Path

import structlog

from orlop_agent import hostlock, logs
from orlop_agent.assembly import assembled
from orlop_agent.libvirt import LibvirtHypervisor
from orlop_agent.metadata.service import Metadata
from orlop_agent.network.adapter import Networks
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.node import Node
from orlop_agent.paths import Layout
from orlop_agent.settings import Settings
from orlop_api.config import load_config

_SWITCH_SECONDS = 0.0005
"""A thread that makes a guest's seed lets the event loop go on after so long, which has little to do each time."""
_log = structlog.get_logger()


def main() -> None:
    """Run until SIGTERM; guests are not touched by it."""
    settings = Settings()  # the environment fills it
    logs.configure(settings.orlop_log_level)
    layout = Layout(settings.orlop_root)
    layout.prepare()
    sys.setswitchinterval(_SWITCH_SECONDS)
    if sys.version_info < (3, 12):
        # Later ones do so by themselves. The other way is a thread for each program that is run.
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
    with hostlock.held(layout.lock):
        asyncio.run(_run(settings, layout))


async def _run(settings: Settings, layout: Layout) -> None:
    hypervisor = LibvirtHypervisor(settings.libvirt_uri)
    metadata = Metadata(lambda uid: layout.metadata(uid).read_bytes())
    config = load_config(settings.orlop_config)
    networks = Networks(
        settings.host_ip,
        node_shell=_NODE_SHELL,
        metadata=metadata,
        physical_networks=config.node.physical_networks,
    )
    await _load_bridge_filter()
    try:
        async with assembled(settings, layout, config, hypervisor, networks, version("orlop")) as agent:
            work = asyncio.create_task(agent.run())
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, work.cancel)
            try:
                await work
            except asyncio.CancelledError:
                return
    finally:
        await metadata.stop()
        await hypervisor.close()


async def _load_bridge_filter() -> None:
    """Before anything is made, so that the Hypervisor says whether the node can keep SecurityGroups."""
    try:
        await Node(_NODE_SHELL, Path("/run/netns"), systemd=True).load_bridge_filter()
    except NetworkError as error:
        # Guests in no SecurityGroup need none of it, and each that is in one asks again.
        _log.warning("bridge_filter", error=error.message)


_NODE_SHELL = ("nsenter", "--target", "1", "--mount", "--net", "--uts", "--ipc", "--")
"""Runs a program of the node's own, in the namespaces of its init (the pod sees the node's processes)."""


if __name__ == "__main__":
    main()
