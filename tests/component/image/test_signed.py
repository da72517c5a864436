"""Images that somebody must have signed: over plain http, compressed, cut in pieces; and signatures that are wrong."""

import asyncio
import gzip

import pytest
from aiohttp import web

from orlop_agent.image import signed
from orlop_agent.image.signed import _same_server
from orlop_api.hypervisor import ImportOrder, ImportState
from orlop_api.source import FileSource, OrderedSignature, WebLocation
from support.signing import EC, RSA, Minisign, openssl

pytestmark = pytest.mark.component


def nothing(_received, _expected):
    pass


def order(server, key, path="disk", *mirrors, at="disk.sig", **change):
    signature = OrderedSignature(url=at if "://" in at else server.url(at), public_key=key)
    return ImportOrder(image_uid="u1", source=server.source(path, *mirrors), signature=signature, **change)


@pytest.fixture
def disk(in_format):
    return in_format("disk.qcow2", "qcow2")


@pytest.fixture
def pair():
    return Minisign()


@pytest.mark.parametrize("how", ["EC", "RSA", "minisign"])
async def test_a_signature_is_enough_for_plain_http(server, store_of, tmp_path, disk, pair, how):
    served = gzip.compress(disk, 1) if how == "RSA" else disk
    if how == "minisign":
        key, signature = pair.public_key, pair.sign(served)
    else:
        key, signature = openssl(tmp_path, served, *{"EC": EC, "RSA": RSA}[how])
    file = server.put("disk", served)
    server.put("disk.sig", signature)
    store = store_of()
    report = await store.run_import(order(server, key), nothing)
    assert (report.state, report.message, report.digest) == (ImportState.READY, "", file.checksum)
    assert store.digests() == [file.checksum]


async def test_a_signed_file_is_pieced_together(server, store_of, disk, pair):
    server.put("disk", disk, etag=None, cuts=[len(disk) // 2, len(disk) // 4])
    server.put("disk.sig", pair.sign(disk))
    report = await store_of().run_import(order(server, pair.public_key), nothing)
    assert report.state is ImportState.READY, report.message
    assert len(server.files["disk"].answers) == 3


async def test_another_mirror_may_have_the_signed_file(server, store_of, disk, pair):
    server.put("old", disk[:-1] + bytes([disk[-1] ^ 1]))
    server.put("disk", disk)
    server.put("disk.sig", pair.sign(disk))
    report = await store_of().run_import(order(server, pair.public_key, "old", "disk"), nothing)
    assert report.state is ImportState.READY, report.message


async def far(_request):
    raise web.HTTPFound("http://169.254.169.254/latest/meta-data")


async def endless(request):
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"A" * 4096)


async def trickling(request):
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"A")
        await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("hostile", "reason", "retry"),
    [
        ("a changed file", "SignatureMismatch", "Useful"),
        ("another key", "BadSignature", "Useful"),
        ("another key of the same name", "SignatureMismatch", "Useful"),
        ("another file's", "SignatureMismatch", "Useful"),
        ("a page", "BadSignature", "Useful"),
        ("nothing", "BadSignature", "Useful"),
        ("none", "NotFound", "Useful"),
        ("endless", "SignatureTooLarge", "Useful"),
        ("trickling", "Timeout", "Useful"),
        ("from a forbidden host", "ForbiddenURL", "Useless"),
        ("redirected to a forbidden host", "ForbiddenURL", "Useless"),
        ("a key that is none", "BadPublicKey", "Useless"),
        ("a wrong checksum beside it", "ChecksumMismatch", "Useless"),
    ],
)
async def test_what_is_not_signed_so_does_not_stay(
    server, store_of, disk, pair, monkeypatch, hostile, reason, retry
):
    monkeypatch.setattr(signed, "_SECONDS", 1)
    signature, served, key, change = pair.sign(disk), disk, pair.public_key, {}
    match hostile:
        case "a changed file":
            served = disk[:-1] + bytes([disk[-1] ^ 1])
        case "another key":
            key = Minisign().public_key
        case "another key of the same name":
            key = Minisign(key_id=pair.key_id).public_key
        case "another file's":
            signature = pair.sign(b"another file")
        case "a page":
            signature = b"<html>\n<body>\nnot found\n</body>\n"
        case "nothing":
            signature = b""
        case "endless":
            server.paths["disk.sig"] = endless
        case "trickling":
            server.paths["disk.sig"] = trickling
        case "from a forbidden host":
            change = {"at": "http://127.0.0.1:1/disk.sig"}
        case "redirected to a forbidden host":
            server.paths["disk.sig"] = far
        case "a key that is none":
            key = "RW" + "A" * 54
            key = key[:-2] + "=="
        case "a wrong checksum beside it":
            change = {"checksum": f"sha256:{'0' * 64}"}
    server.put("disk", served)
    if hostile != "none":
        server.put("disk.sig", signature)
    store = store_of()
    report = await store.run_import(order(server, key, **change), nothing)
    assert (report.state, report.reason, report.retry) == (ImportState.FAILED, reason, retry)
    assert list(store._root.iterdir()) == []


def test_the_login_goes_to_the_files_own_server_only():
    source = FileSource(http=WebLocation(url="https://a.example/disk"))
    assert _same_server("https://a.example/disk.sig", source)
    for other in (
        "http://a.example/disk.sig",
        "https://b.example/disk.sig",
        "https://a.example:444/disk.sig",
        "https://a.example@b.example/disk.sig",
    ):
        assert not _same_server(other, source)
