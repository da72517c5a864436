"""No image comes from a public address that is the cluster's own, unless orlop-config names the host."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from ipaddress import ip_network

import pytest

from orlop_agent.api.errors import NotFoundError
from orlop_agent.image import inside
from orlop_agent.image.errors import ImageError
from orlop_agent.image.inside import Inside, is_own
from orlop_agent.image.url import vetted
from orlop_agent.image.web import Ask, Web
from orlop_api.config import ImageConfig


class Cluster:
    """What the operator says; nothing yet where it is None."""

    def __init__(self, networks: str | None) -> None:
        self.networks, self.asked = networks, 0

    async def read(self) -> Mapping[str, str]:
        self.asked += 1
        if self.networks is None:
            raise NotFoundError("none")
        return {"networks": self.networks}


def location(url: str, allowed: tuple[str, ...] = ()):
    return vetted(url, checksum=True, allowed_private_hosts=allowed)


NODE = location("https://node.example/a")


@pytest.mark.parametrize("address", ["8.8.4.9", "2001:4860::1", "64:ff9b::808:409", "2002:808:409::1"])
async def test_a_nodes_address_is_refused_however_it_is_written(address: str) -> None:
    known = Inside(Cluster("8.8.4.0/24\n2001:4860::/32").read)
    with pytest.raises(ImageError, match=r"host node\.example is at an address of this cluster") as refused:
        await known.check(NODE, address)
    assert (refused.value.reason, refused.value.permanent) == ("ForbiddenURL", True)


async def test_others_are_not_and_the_list_is_read_once() -> None:
    cluster = Cluster("8.8.4.0/24")
    known = Inside(cluster.read, [ip_network("9.9.0.0/16")])
    for _ in range(3):
        await known.check(NODE, "8.8.8.8")
    assert cluster.asked == 1
    with pytest.raises(ImageError, match="this cluster"):
        await known.check(NODE, "9.9.9.9")


async def test_a_host_that_is_allowed_may_be_anywhere() -> None:
    cluster = Cluster(None)
    allowed = location("https://node.example:8443/a", ("node.example:8443",))
    await Inside(cluster.read).check(allowed, "8.8.4.9")
    assert cluster.asked == 0


async def test_before_it_is_known_nothing_is_fetched_and_later_what_was_known_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(None)
    known = Inside(cluster.read)
    with pytest.raises(ImageError) as unknown:
        await known.check(NODE, "8.8.8.8")
    assert (unknown.value.reason, unknown.value.permanent) == ("ClusterUnknown", False)
    cluster.networks = "8.8.4.0/24"
    await known.check(NODE, "8.8.8.8")
    cluster.networks = None
    monkeypatch.setattr(inside, "FRESH_SECONDS", 0.0)
    await known.check(NODE, "8.8.8.8")
    with pytest.raises(ImageError, match="this cluster"):
        await known.check(NODE, "8.8.4.9")


async def test_this_nodes_own_address_is_refused_whoever_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_own("127.0.0.1")
    assert not is_own("192.0.2.1")
    monkeypatch.setattr(inside, "is_own", lambda address: address == "8.8.8.8")
    with pytest.raises(ImageError, match="this cluster"):
        await Inside().check(NODE, "8.8.8.8")
    await Inside().check(NODE, "8.8.8.9")


@pytest.mark.parametrize("host", ["8.8.4.9", "node.example"])
async def test_it_is_asked_before_a_connection_is_made(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_: object, **__: object) -> list[tuple]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.4.9", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    web = Web(ImageConfig(refused_networks=["8.8.4.0/24"]), ssl.create_default_context())
    with pytest.raises(ImageError, match="this cluster"):
        async with web.get(Ask(f"https://{host}/a", "a"), checked=True):
            raise AssertionError("it was connected to")
