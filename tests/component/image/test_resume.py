"""Transfers that are cut, mirrors, and servers whose file is another one the next time."""

import hashlib

import pytest
from aiohttp import web

from orlop_agent.image import fetch
from orlop_api.hypervisor import ImportOrder, ImportState

pytestmark = pytest.mark.component
MIB = 1 << 20


def nothing(_received, _expected):
    pass


def order(source, checksum=None):
    return ImportOrder(image_uid="u1", source=source, checksum=checksum)


@pytest.fixture
def body(raw_disk):
    return raw_disk.read_bytes()


async def test_a_cut_transfer_goes_on_where_it_was(server, store_of, body):
    file = server.put("disk", body, cuts=[3 * MIB, 4 * MIB, 1])
    seen = []
    report = await store_of().run_import(
        order(server.source("disk"), file.checksum), lambda received, of: seen.append((received, of))
    )
    assert report.state is ImportState.READY, report.message
    assert report.digest == file.checksum
    assert file.answers[0] == ("", "")
    assert len(file.answers) == 4
    assert all(asked.startswith("bytes=") and condition == file.etag for asked, condition in file.answers[1:])
    assert file.sent < len(body) + 4 * MIB, "what was there already was sent again"
    assert seen == sorted(seen)
    assert seen[-1] == (len(body), len(body))


async def test_without_ranges_it_begins_again(server, store_of, body):
    file = server.put("disk", body, cuts=[3 * MIB], ranges=False)
    report = await store_of().run_import(order(server.source("disk"), file.checksum), nothing)
    assert report.state is ImportState.READY, report.message
    assert len(file.answers) == 2
    assert file.sent == len(body) + 3 * MIB


async def test_a_file_that_changed_meanwhile_is_fetched_anew(server, store_of, body):
    file = server.put("disk", b"\1" * len(body), cuts=[3 * MIB])

    async def change(request):
        answer = await server._send(request, file)
        file.body, file.etag = body, '"2"'
        return answer

    server.paths["disk"] = change
    checksum = f"sha256:{hashlib.sha256(body).hexdigest()}"
    report = await store_of().run_import(order(server.source("disk"), checksum), nothing)
    assert report.state is ImportState.READY, report.message
    assert report.digest == checksum


async def test_pieces_of_two_files_are_never_taken_for_one(server, store_of, body):
    """The server does not say that its file is another one; the checksum does, and the whole is asked for again."""
    file = server.put("disk", b"\1" * len(body), cuts=[3 * MIB], etag=None)

    async def change(request):
        answer = await server._send(request, file)
        file.body = body
        return answer

    server.paths["disk"] = change
    checksum = f"sha256:{hashlib.sha256(body).hexdigest()}"
    report = await store_of().run_import(order(server.source("disk"), checksum), nothing)
    assert report.state is ImportState.READY, report.message
    asked = [asked for asked, _ in file.answers]
    assert (asked[0], asked[1][:6], asked[2:]) == ("", "bytes=", [""])


async def test_a_mirror_goes_on_where_the_first_place_ended(server, store_of, body, monkeypatch):
    monkeypatch.setattr(fetch, "_FIRST_WAIT", 0.001)
    broken = server.put("broken", body, cuts=[5 * MIB, *[0] * 40])
    mirror = server.put("mirror", body)
    report = await store_of().run_import(
        order(server.source("missing", "broken", "mirror"), mirror.checksum), nothing
    )
    assert report.state is ImportState.READY, report.message
    assert broken.sent + mirror.sent < len(body) + 2 * MIB
    assert mirror.answers[0][0].startswith("bytes=")


async def test_a_mirror_with_another_file_is_passed_over(server, store_of, body):
    server.put("stale", b"\2" * len(body))
    mirror = server.put("mirror", body)
    report = await store_of().run_import(order(server.source("stale", "mirror"), mirror.checksum), nothing)
    assert report.state is ImportState.READY, report.message


async def test_when_no_place_has_it_every_one_is_named(server, store_of, body):
    server.put("stale", b"\2" * len(body))
    checksum = f"sha256:{hashlib.sha256(body).hexdigest()}"
    report = await store_of().run_import(order(server.source("missing", "stale"), checksum), nothing)
    assert (report.state, report.retry) == (ImportState.FAILED, "Useful")
    assert "none of 2 places has it" in report.message
    assert f"answered 404 for {server.url('missing')}" in report.message
    assert f"the Image wants {checksum[7:]}" in report.message


async def test_a_wrong_range_is_not_taken(server, store_of, body):
    file = server.put("disk", body, cuts=[3 * MIB])

    async def lie(request):
        if "Range" not in request.headers:
            return await server._send(request, file)
        headers = {"Content-Range": f"bytes 1-{len(body) - 1}/{len(body)}"}
        return web.Response(status=206, headers=headers, body=body[1:])

    server.paths["disk"] = lie
    report = await store_of().run_import(order(server.source("disk"), file.checksum), nothing)
    assert (report.state, report.reason) == (ImportState.FAILED, "WrongRange")
    assert "answered the range bytes 1-" in report.message
