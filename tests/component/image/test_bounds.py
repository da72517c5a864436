"""What servers and users write is long, or slow: a report stays one that the API takes, and an import ends."""

import asyncio

import pytest
from aiohttp import web

from component.image.conftest import nothing, order
from orlop_agent.image import web as asking
from orlop_api.hypervisor import ImportReport, ImportState
from orlop_api.source import FileSource, WebLocation

pytestmark = pytest.mark.component
CHECKSUM = f"sha256:{'0' * 64}"
LONG = "x" * 7000


async def report_of(store, source):
    report = await store.run_import(order(source, CHECKSUM), nothing)
    assert report.state is ImportState.FAILED
    assert ImportReport.model_validate(report.model_dump(mode="json", by_alias=True)) == report
    return report


async def test_a_long_url_makes_no_long_message(server, store_of):
    report = await report_of(store_of(), server.source("x" * 1900))
    assert report.reason == "NotFound"
    assert report.message.startswith("127.0.0.1 answered 404 for http://127.0.0.1:")


@pytest.mark.parametrize(
    "to",
    [f"ftp://{LONG}/x", f"https://{LONG}.example/x", f"https://127.0.0.1/{LONG}", "ftp://host/\udcff"],
    ids=["scheme", "host", "path", "no text"],
)
async def test_a_redirect_makes_no_message_that_the_api_refuses(server, store_of, to):
    async def redirect(request):
        answer = f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
        request.transport.write(answer.encode(errors="surrogateescape"))
        request.transport.close()
        return web.Response()

    server.paths["away"] = redirect
    report = await report_of(store_of(), server.source("away"))
    assert (report.reason, report.retry) == ("ForbiddenURL", "Useless")


async def test_headers_that_trickle_end(server, store_of, monkeypatch):
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 1.0)

    async def trickle(request):
        request.transport.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(40):
            if request.transport is None or request.transport.is_closing():
                break
            request.transport.write(b"X-%d: y\r\n" % number)
            await asyncio.sleep(0.2)
        return web.Response()

    server.paths["slow"] = trickle
    async with asyncio.timeout(8):
        report = await report_of(store_of(), server.source("slow"))
    assert (report.reason, report.retry) == ("Timeout", "Useful")
    assert report.message == "127.0.0.1 sent no whole answer within 1 s"


@pytest.mark.parametrize("host", ["\U0001fbf127.0.0.1", "１２７.0.0.1", "2130706433", "127.1", "0x7f.1"])
async def test_no_spelling_of_loopback_is_asked(server, store_of, host):
    asked = []

    async def hit(request):
        asked.append(request.path)
        return web.Response()

    async def redirect(_):
        return web.Response(status=302, headers={"Location": f"http://{host}:{server.server.port}/hit"})

    server.paths |= {"hit": hit, "away": redirect}
    url = f"http://{host}:{server.server.port}/hit"
    # Allowed by name or not: what another parser takes for loopback is refused.
    store = store_of(allowed_private_hosts=[server.host, f"{host}:{server.server.port}"])
    for source in (FileSource(http=WebLocation(url=url)), server.source("away")):
        report = await report_of(store, source)
        assert (report.reason, report.retry) == ("ForbiddenURL", "Useless")
    assert asked == []
