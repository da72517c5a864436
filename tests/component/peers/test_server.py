"""What a node gives to others, and to whom."""

import os
import ssl
from pathlib import Path

import aiohttp
import pytest

from orlop_agent.peer import server
from orlop_agent.peer.identity import Identity
from orlop_operator.node_certificate import NodeAuthority, certified
from support.peers import DISK, HEX, MIB, NOW, Asked, Node, authority

pytestmark = [
    pytest.mark.component,
    pytest.mark.skipif(os.geteuid() != 0, reason="the inspector gives up privileges, which needs root"),
]


@pytest.fixture
def member(nodes: tuple[Node, Node], trusted: NodeAuthority) -> Asked:
    identity = Identity("node-8")
    return Asked(nodes[0], identity.client(certified(trusted, "node-8", identity.request, NOW)))


@pytest.mark.parametrize("who", ["nobody", "stranger"])
async def test_who_has_no_certificate_of_the_authority_gets_nothing(
    nodes: tuple[Node, Node], trusted: NodeAuthority, who: str
) -> None:
    nodes[0].hold()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if who == "stranger":
        identity, other = Identity("node-2"), authority()
        context = identity.client(certified(other, "node-2", identity.request, NOW))
    context.load_verify_locations(cadata=trusted.bundle.decode())
    with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
        await Asked(nodes[0], context).get(f"/v1/images/{HEX}")
    assert nodes[0].count("peer_sent_bytes_total") == 0


@pytest.mark.parametrize(
    "path",
    [
        "/", "/v1/images/", "/v1/images/..", "/v1/images/%2e%2e%2fjournal", f"/v1/images/{HEX.upper()}",
        f"/v1/images/{HEX[:-1]}", f"/v1/images/.part-{HEX[:16]}", "/v1/images/" + "0" * 64, "/v1/images/" + "1" * 64,
    ],
)  # fmt: skip
async def test_nothing_but_complete_files_is_there(
    nodes: tuple[Node, Node], member: Asked, path: str, tmp_path: Path
) -> None:
    root = nodes[0].store._root
    nodes[0].hold()
    (root / f".part-{HEX[:16]}").write_bytes(b"half")
    (root / ("0" * 64)).symlink_to(tmp_path)
    (tmp_path / "secret").write_text("s")
    (root / ("1" * 64)).symlink_to(tmp_path / "secret")
    assert (await member.get(path))[0] == 404
    assert await member.get(f"/v1/images/{HEX}") == (200, DISK)


async def test_parts_of_a_file(nodes: tuple[Node, Node], member: Asked) -> None:
    nodes[0].hold()
    assert await member.get(f"/v1/images/{HEX}", Range=f"bytes={MIB}-") == (206, DISK[MIB:])
    assert (await member.get(f"/v1/images/{HEX}", Range=f"bytes={len(DISK)}-"))[0] == 416


async def test_more_than_it_can_serve_are_sent_away(
    nodes: tuple[Node, Node], member: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes[0].hold()
    monkeypatch.setattr(server, "_AT_ONCE", 0)
    assert (await member.get(f"/v1/images/{HEX}"))[0] == 503
