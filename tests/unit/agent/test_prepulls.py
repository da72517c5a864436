"""Images that a node fetches early: each try ends in a report, whatever happens in it."""

import asyncio

import pytest

from orlop_agent import prepulls
from orlop_agent.failure import StepError
from orlop_agent.image.errors import ImageError
from orlop_agent.prepulls import PrePulls
from orlop_api.hypervisor import ImportState, PrePullOrder

ORDER = PrePullOrder.model_validate(
    {
        "imageUID": "u1",
        "image": {
            "source": {"http": {"url": "https://mirror.example.org/x"}},
            "digest": f"sha256:{'0' * 64}",
            "format": "raw",
            "virtualSizeBytes": 512,
        },
    }
)


class Fetcher:
    """Fails as it is told to, once for each; then it has the image."""

    def __init__(self, *errors):
        self._errors = list(errors)

    async def ensure(self, _image, _progress, _secret=None):
        if self._errors:
            raise self._errors.pop(0)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ImageError("NotFound", "x" * 5000, permanent=False), "NotFound"),
        (OSError(28, "No space left on device"), "NodeError"),
        (RuntimeError("a bug"), "InternalError"),
    ],
)
async def test_a_failure_is_told_and_tried_again(monkeypatch, error, reason):
    monkeypatch.setattr(prepulls, "_FIRST", 0.01)
    reports, ready = [], asyncio.Event()

    def changed():
        reports.extend(pulls.reports())
        if reports[-1].state is ImportState.READY:
            ready.set()

    pulls = PrePulls(Fetcher(error), changed)
    pulls.follow([ORDER])
    async with asyncio.timeout(5):
        await ready.wait()
    assert [(report.state, report.reason) for report in reports] == [
        (ImportState.FAILED, reason),
        (ImportState.READY, ""),
    ]
    await pulls.close()


@pytest.mark.parametrize("kind", [ImageError, StepError])
def test_an_error_says_no_more_than_the_api_takes(kind):
    error = kind("R" * 500, "m" * 5000, permanent=True)
    assert (len(error.reason), len(error.message)) == (128, 1000)
    assert kind("Reason", "bytes \udcff of a header", permanent=True).message == "bytes ? of a header"
