"""Hostile disks and hostile servers: each refused in its own words, nothing left, and good imports go on."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from aiohttp import web

from support.hostile import images

pytestmark = pytest.mark.component
MIB = 1 << 20
MOST_MEMORY = 300 * MIB
PROGRAM = Path(__file__).parents[2] / "support/importing.py"


def order(server, path, name, checksum, fmt=None):
    made = {"imageUID": name, "source": {"http": {"url": server.url(path)}}, "checksum": checksum}
    return made | ({"format": fmt} if fmt else {})


async def imports(server, tmp_path, orders, **config):
    """What became of them in a process of their own, its peak of memory, and what is left in its cache."""
    root = tmp_path / "images"
    root.mkdir()
    known = {"allowedPrivateHosts": [server.host], "maxSize": "1200Mi", "maxVirtualSize": "1200Mi"}
    formats = ["qcow2", "raw", "iso", "vmdk", "vhd", "vhdx", "vdi"]
    told = {"root": str(root), "config": known | {"formats": formats} | config, "orders": orders}
    process = await asyncio.create_subprocess_exec(
        sys.executable, PROGRAM, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(json.dumps(told).encode()), 120)
    assert process.returncode == 0
    return json.loads(out)


def slow_and_good(server, body):
    """An import that takes some seconds, and its order."""
    file = server.put("good", body)

    async def trickle(request):
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        for at in range(0, len(body), MIB):
            await response.write(body[at : at + MIB])
            await asyncio.sleep(0.2)
        return response

    server.paths["good"] = trickle
    return order(server, "good", "good", file.checksum), file.checksum.removeprefix("sha256:")


def judge(told, wanted, good):
    reports = told["reports"]
    wrong = {
        name: (report["state"], report.get("message", ""))
        for (name, says), report in zip(wanted, reports[1:], strict=True)
        if report["state"] != "Failed" or says not in report.get("message", "")
    }
    assert wrong == {}
    assert reports[0]["state"] == "Ready", "another import did not go on"
    assert told["left"] == [good], "something is left in the cache"
    print(f"\n{len(wanted)} refused; the importing process had at most {told['peak'] / MIB:.0f} MiB")
    assert told["peak"] < MOST_MEMORY
    messages = [report["message"] for report in reports[1:]]
    assert not [message for message in messages if "/var/" in message or str(Path.cwd()) in message]


async def test_hostile_disks(server, tmp_path, raw_disk, in_format):
    body = raw_disk.read_bytes()
    corpus = images(
        body,
        in_format("vhd", "vpc", "subformat=dynamic,force_size"),
        in_format("vhdx", "vhdx"),
        in_format("vdi", "vdi"),
    )
    assert len(corpus) >= 30
    first, good = slow_and_good(server, body)
    orders = [first]
    for number, hostile in enumerate(corpus):
        file = server.put(f"hostile-{number}", hostile.body)
        orders.append(order(server, f"hostile-{number}", f"h{number}", file.checksum, hostile.format))
    told = await imports(server, tmp_path, orders)
    judge(told, [(hostile.name, hostile.says) for hostile in corpus], good)


class Servers:
    """Paths that misbehave, and the words that are due to each."""

    def __init__(self, server, body):
        self.server, self.body, self.cases = server, body, []

    def add(self, name, handler, says, checksum=None):
        path = name.replace(" ", "-")
        self.server.paths[path] = handler
        known = checksum or self.server.put("known", self.body).checksum
        self.cases.append((name, says, order(self.server, path, path, known)))

    def redirect(self, name, to, says):
        async def handler(_):
            return web.Response(status=302, headers={"Location": to})

        self.add(name, handler, says)

    def status(self, code, says):
        async def handler(_):
            return web.Response(status=code)

        self.add(f"status {code}", handler, says)

    def body_of(self, name, says, chunks, **headers):
        async def handler(request):
            response = web.StreamResponse(headers=headers)
            await response.prepare(request)
            async for chunk in chunks():
                await response.write(chunk)
            return response

        self.add(name, handler, says)


async def test_hostile_servers(server, tmp_path, raw_disk):
    body = raw_disk.read_bytes()
    servers = Servers(server, body)

    async def trickle():
        for _ in range(40):
            yield b"x"
            await asyncio.sleep(0.2)

    async def endless():
        for _ in range(1400):
            yield bytes(MIB)

    async def quiet():
        yield b"x" * 100
        await asyncio.sleep(20)

    async def stub():
        yield body[:MIB]

    async def never(_):
        await asyncio.sleep(20)
        return web.Response()

    async def cut(request):
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body[: 3 * MIB])
        await asyncio.sleep(0.02)
        request.transport.abort()
        return response

    async def wrong_range(request):
        if "Range" not in request.headers:
            return await cut(request)
        return web.Response(status=206, headers={"Content-Range": "bytes 0-9/10"}, body=b"0123456789")

    async def other_length(request):
        if "Range" not in request.headers:
            return await cut(request)
        start = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
        headers = {"Content-Range": f"bytes {start}-{start}/99999999"}
        return web.Response(status=206, headers=headers, body=b"0")

    async def no_http(request):
        request.transport.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        request.transport.close()
        return web.Response()

    async def unasked(_):
        return web.Response(status=206, headers={"Content-Range": "bytes 5-9/10"}, body=b"01234")

    host = server.host
    servers.body_of("slow", "bytes a second arrive", trickle)
    servers.body_of("endless", "the file is over the", endless)
    servers.body_of("silent after some bytes", "127.0.0.1 sent nothing for 3 s", quiet)
    servers.body_of(
        "too long by its own word", "at most 1258291200 are allowed", stub, **{"Content-Length": str(1 << 40)}
    )
    servers.body_of("shorter than the checksum says", "the Image wants", stub, **{"Content-Length": str(MIB)})
    servers.add("never answers", never, "127.0.0.1 sent nothing for 3 s")
    servers.add("always cut", cut, "127.0.0.1 ended the transfer early")
    servers.add("wrong range", wrong_range, "answered the range bytes 0-9/10, asked for was")
    servers.add("another length", other_length, "- of 16777216")
    servers.add("no http", no_http, "127.0.0.1")
    servers.add("a range that nobody asked for", unasked, "127.0.0.1 answered 206")
    servers.add(
        "wrong checksum",
        lambda _: asyncio.sleep(0, web.Response(body=body)),
        "the Image wants 0000",
        f"sha256:{'0' * 64}",
    )
    servers.redirect("loop", "/loop", f"http://{host}/loop redirects more than 3 times")
    servers.redirect(
        "metadata", "http://169.254.169.254/latest/meta-data", "169.254.169.254 is at a private address"
    )
    servers.redirect("loopback", "http://127.0.0.1/", "host 127.0.0.1 is at a private address")
    servers.redirect("cluster", "https://10.96.0.1/", "host 10.96.0.1 is at a private address")
    servers.redirect("mapped", "http://[::ffff:127.0.0.1]/", "is at a private address")
    servers.redirect("kubelet", "https://10.0.0.1:10250/", "port 10250 is not 443")
    servers.redirect("a file", "file:///etc/shadow", "must start with https:// or http://")
    servers.redirect("credentials", "https://me:pw@mirror.example.org/", "hold no credentials")
    servers.redirect("no URL", "http://[", "redirects to what is no URL")
    for code, says in (
        (500, "answered 500"),
        (503, "answered 503"),
        (404, "answered 404"),
        (410, "answered 410"),
    ):
        servers.status(code, f"127.0.0.1 {says} for http://{host}/status-{code}")
    assert len(servers.cases) >= 15
    first, good = slow_and_good(server, body)
    told = await imports(server, tmp_path, [first, *(made for _, _, made in servers.cases)])
    judge(told, [(name, says) for name, says, _ in servers.cases], good)
