"""Who is in a SecurityGroup is nobody else, also where a wide range of allowed addresses says otherwise."""

import pytest

from orlop_agent.network.book import Book
from support import frames
from support.fakenode import FakeNode, nic
from support.guarding import by_uid, group, guarded, port
from support.talk import Speaker

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
Lab = tuple[FakeNode, FakeNode, FakeNode]


@pytest.mark.parametrize("where", ["same node", "other node"])
async def test_no_range_passes_for_a_member(lab: Lab, where: str):
    """`wide` may use the whole subnet; `near` hears both, and trusts the member by its group alone."""
    here, there, _ = lab
    networks, others = here.networks(), there.networks()
    everybody = nic(4097, "10.10.0.20", allowed_address_pairs=[{"address": "10.10.0.0/24"}])
    open_, member = nic(4097, "10.10.0.21"), guarded("10.10.0.22", "web")
    home = here if where == "same node" else there
    ports = [port(everybody, here), port(open_, here), port(member, home, "web")]
    for agent in (networks, others):
        await agent.set_peers("net-4097", Book.of(ports))
        await agent.set_groups("demo", by_uid(group("web")))
    wide = await Speaker.start(networks, here, "wide", everybody)
    near = await Speaker.start(networks, here, "near", open_)
    him = await Speaker.start(networks if home is here else others, home, "member", member)
    for agent in (networks, others):
        await agent.set_peers("net-4097", Book.of(ports))

    def says(address: str, text: bytes) -> None:
        datagram = frames.udp(9, 9, text)
        wide.wire.send(frames.ipv4(wide.mac, near.mac, address, near.address, frames.UDP, datagram))

    def claims(address: str) -> None:
        wide.wire.send(frames.arp(frames.REPLY, wide.mac, address, near.address, to=near.mac))

    says(him.address, b"as the member")
    claims(him.address)
    seen: list[bytes] = []
    # What is nobody's is his to use, as ever.
    claims("10.10.0.99")
    assert near.wire.receive(
        lambda got: frames.is_arp_reply(got, "10.10.0.99") or bool(seen.append(got)), 10.0
    )
    says("10.10.0.99", b"as nobody")
    assert near.wire.receive(lambda got: b"as nobody" in got or bool(seen.append(got)), 10.0)
    assert not [got for got in seen if b"as the member" in got or frames.is_arp_reply(got, him.address)]
    listed = here.run("nft", "list", "counter", "bridge", "orlop_groups", "denied_source", inside=4097)
    assert "packets 2 " in listed

    # The member itself is heard, and anybody may have the address once it is in no group.
    him.say(near.mac, near.address, 2000, b"himself")
    assert near.hears(b"himself", 10.0)
    ports[2] = port(member, home)
    for agent in (networks, others):
        await agent.set_peers("net-4097", Book.of(ports))
    says(him.address, b"as anybody")
    assert near.hears(b"as anybody", 10.0)
