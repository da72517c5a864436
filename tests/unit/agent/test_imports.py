"""Orders to fetch: one try each, told as it goes, and what an earlier agent finished is not done again."""

import asyncio

import pytest

from orlop_agent import imports as module
from orlop_agent.imports import Imports
from orlop_api.hypervisor import ImportOrder, ImportReport, ImportState

DIGEST, GONE = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def order(generation: int = 0, uid: str = "u1") -> ImportOrder:
    source = {"http": {"url": "https://mirror.example.org/x"}}
    return ImportOrder.model_validate({"imageUID": uid, "generation": generation, "source": source})


def report(state: ImportState, **more: object) -> ImportReport:
    return ImportReport.model_validate({"imageUID": "u1", "state": state.value, **more})


class Importer:
    """Fetches when it is let."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.may = asyncio.Event()
        self.tell = None

    def digests(self) -> list[str]:
        return [DIGEST]

    async def run_import(self, asked: ImportOrder, tell: object) -> ImportReport:
        self.begun.append(asked.generation)
        self.tell = tell
        try:
            await self.may.wait()
        finally:
            self.ended.append(asked.generation)
        return report(ImportState.FAILED, generation=asked.generation, reason="NotFound")


class Node:
    def __init__(self) -> None:
        self.importer, self.changed = Importer(), asyncio.Event()
        self.imports = Imports("n1", self.importer, self.changed.set)

    async def until(self, **fields: object) -> None:
        async with asyncio.timeout(5):
            while not all(
                getattr(self.imports.reports()[0], name) == value for name, value in fields.items()
            ):
                self.changed.clear()
                await self.changed.wait()


@pytest.mark.parametrize(
    ("published", "again"),
    [
        (report(ImportState.READY, digest=DIGEST), False),
        (report(ImportState.READY, digest=DIGEST, kernelDigest=GONE), True),
        (report(ImportState.READY, digest=DIGEST, generation=1), True),
        (report(ImportState.FAILED, reason="ChecksumMismatch", retry="Useless"), False),
        (report(ImportState.FAILED, reason="NotFound"), True),
        (report(ImportState.PULLING), True),
    ],
    ids=["there", "not all of it", "another try", "useless", "of use", "broken off"],
)
async def test_what_an_earlier_agent_finished_is_not_done_again(published: ImportReport, again: bool) -> None:
    node = Node()
    node.imports.remember([published])
    node.imports.remember([])
    node.imports.follow([order()])
    await asyncio.sleep(0)
    assert node.importer.begun == ([0] if again else [])
    said = report(ImportState.PULLING) if again else published
    assert node.imports.reports() == [said]
    node.imports.follow([order(2)])
    await asyncio.sleep(0)
    assert node.importer.begun[-1] == 2, "another generation is another try, whatever came of the one before"
    await node.imports.close()


async def test_a_failure_is_tried_again_only_when_the_operator_says_so() -> None:
    node = Node()
    node.importer.may.set()
    node.imports.follow([order()])
    await node.until(state=ImportState.FAILED, generation=0)
    node.imports.follow([order()])
    await asyncio.sleep(0)
    assert node.importer.begun == [0]
    node.imports.follow([order(1)])
    await node.until(state=ImportState.FAILED, generation=1)
    assert node.importer.begun == [0, 1]


async def test_it_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TELL", 0.0)
    node = Node()
    node.imports.follow([order()])
    await asyncio.sleep(0)
    node.importer.tell(10, 100)
    (said,) = node.imports.reports()
    assert (said.state, said.progress.received_bytes, said.progress.total_bytes) == (
        ImportState.PULLING,
        10,
        100,
    )
    assert node.changed.is_set()
    node.imports.follow([])
    node.importer.tell(20, 100)
    assert node.imports.reports() == []
    await node.imports.close()


async def test_what_is_not_wanted_any_more_ends() -> None:
    node = Node()
    node.imports.follow([order()])
    await asyncio.sleep(0)
    node.imports.follow([])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert node.importer.ended == [0]
    assert node.imports.reports() == []
