"""The reading half of S3 over TLS, which verifies the signature of a presigned URL (Signature Version 4)."""

import hashlib
import hmac
from urllib.parse import parse_qsl, quote

from aiohttp import web
from aiohttp.test_utils import TestServer

ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature(request, host, secret):
    """What X-Amz-Signature must be, from the public specification."""
    path, _, query = request.raw_path.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    given.pop("X-Amz-Signature")
    canonical = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(given.items()))
    wanted = f"GET\n{path}\n{canonical}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD"
    scope = given["X-Amz-Credential"].partition("/")[2]
    text = f"AWS4-HMAC-SHA256\n{given['X-Amz-Date']}\n{scope}\n{hashlib.sha256(wanted.encode()).hexdigest()}"
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class Bucket:
    """Objects by bucket/key; `public` ones are for everybody."""

    def __init__(self, tls):
        self.objects, self.public, self.regions, self.sent = {}, set(), [], 0
        app = web.Application()
        app.router.add_get("/{path:.+}", self._get)
        self.server, self._tls = TestServer(app, scheme="https"), tls

    async def __aenter__(self):
        await self.server.start_server(ssl=self._tls)
        return self

    async def __aexit__(self, *_):
        await self.server.close()

    @property
    def host(self):
        return f"127.0.0.1:{self.server.port}"

    async def _get(self, request):
        path = request.match_info["path"]
        if path not in self.public:
            given = request.query.get("X-Amz-Signature", "")
            if not given or not hmac.compare_digest(given, signature(request, self.host, SECRET)):
                return web.Response(status=403)
            self.regions.append(request.query["X-Amz-Credential"].split("/")[2])
        body = self.objects.get(path)
        self.sent += len(body or b"")
        return web.Response(status=404) if body is None else web.Response(body=body)
