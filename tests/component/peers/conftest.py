"""Two nodes that give images to each other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orlop_operator.node_certificate import NodeAuthority
from support.peers import Node, Source, authority


@pytest.fixture(scope="module")
def trusted() -> NodeAuthority:
    return authority()


@pytest.fixture
async def counted() -> AsyncIterator[Source]:
    made = Source()
    await made.server.start_server()
    yield made
    await made.server.close()


@pytest.fixture
async def nodes(tmp_path: Path, counted: Source, trusted: NodeAuthority) -> AsyncIterator[tuple[Node, Node]]:
    """The first gives, the second takes."""
    made = Node("node-1", tmp_path / "1", counted), Node("node-2", tmp_path / "2", counted)
    for node in made:
        await node.join(trusted)
    yield made
    for node in made:
        await node.leave()
