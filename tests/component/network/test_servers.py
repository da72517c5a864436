"""A Network's servers start beside all else, and before its guests."""

import pytest

from orlop_agent.network.errors import NetworkError
from orlop_agent.network.server import Daemon, Server
from support.fakenode import NOTHING, FakeNode, Wire, nic
from support.talk import Speaker

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
Lab = tuple[FakeNode, FakeNode, FakeNode]


async def test_a_guest_runs_only_once_its_dhcp_server_does(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    """It is started beside all else: whoever makes NICs does not wait for it, whoever plugs them does."""
    node, *_ = lab
    networks, order = node.networks(), nic(4097, "10.10.0.20")

    async def refused(_launcher: Daemon, _server: Server) -> None:
        raise NetworkError("ServerFailed", "no server today")

    with monkeypatch.context() as today:
        today.setattr(Daemon, "start", refused)
        await networks.prepare("web-1", "web-1", [order])
        wire = Wire(node, networks.tap_name("web-1", "eth0"))
        with pytest.raises(NetworkError, match="no server today"):
            await networks.plug("web-1", [order])
        # From then on it is told before the node takes the right to start.
        with pytest.raises(NetworkError, match="no server today"):
            await networks.prepare("web-1", "web-1", [order])
    assert node.traces()["servers"] == []
    guest = Speaker(wire, order)
    await networks.plug("web-1", [order])
    assert len(node.traces()["servers"]) == 1
    assert guest.ping("10.10.0.1")
    wire.close()
    await networks.detach("web-1")
    assert node.traces() == NOTHING
