"""Image sources that must be refused."""

from __future__ import annotations

from support.bad import Bad
from support.bad_sizes_and_images import CREDENTIALS, PLAIN_HTTP, URL

ONE_SOURCE = "exactly one of http, oci, s3, volumeRef and instanceRef must be set"
MADE = "what is published is made once, on a node: leave out checksum, signature and refresh"
PUBLIC = "must be a public key in PEM (ECDSA or RSA), or minisign's"
QCOW2 = "what is published is qcow2: leave out format"
BY_HTTPS = "credentials go over https only"
REFERENCE = "must be registry/repository with :tag or @sha256:…"
_BY_HTTP = {"url": "http://a.example/b.sig", "publicKey": "RW" + "a" * 54}
SIGNED_BY_HTTPS = (
    "with a plain http url signature.url must be https: whoever is between could give an older file"
)
ENDPOINT = "must be https://host, or http://host with a checksum"
BUCKET = "must be a bucket's name: lower-case letters, digits, . and -"
KEY = "must be an object's name: no control characters, no / in front, and no . or .. between slashes"
_CHECKSUM = f"sha256:{'0' * 64}"
_LOGIN = {"credentialsSecretRef": {"name": "login"}}
_BUCKET = {"endpoint": "https://s3.example.org", "bucket": "images", "key": "disk.qcow2"}
_MIRRORS = "spec.source.http.mirrors"


def _login(url: str, *mirrors: str) -> dict[str, object]:
    http = {**_LOGIN, "url": url, "mirrors": list(mirrors)}
    return {"spec": {"checksum": _CHECKSUM, "source": {"http": http}}}


def _oci(reference: str) -> Bad:
    source = {"spec.source": {"oci": {"reference": reference}}}
    return Bad(f"reference {reference}", "Image", source, "spec.source.oci.reference", REFERENCE)


def _s3(field: str, value: str, says: str, at: str = "") -> Bad:
    source = {"spec.source": {"s3": {**_BUCKET, field: value}}}
    return Bad(f"{field} {value!r}", "Image", source, at or f"spec.source.s3.{field}", says)


def _published(case: str, says: str, **fields: object) -> Bad:
    spec = {"source": {"volumeRef": {"name": "data"}}, **fields}
    return Bad(f"published with {case}", "Image", {"spec": spec}, "spec", says)


def _signed(case: str, key: str) -> Bad:
    signature = {"url": "https://a.example/b.sig", "publicKey": key}
    return Bad(
        f"signed by {case}", "Image", {"spec.signature": signature}, "spec.signature.publicKey", PUBLIC
    )


SOURCES = [
    _signed("a certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + " " * 20),
    _signed("a private key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" + " " * 20),
    _signed("two keys", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n" * 2),
    _signed("a word", "x" * 60),
    Bad(
        "signed at ftp",
        "Image",
        {"spec.signature": {"url": "ftp://a.example/b.sig", "publicKey": "RW" + "a" * 54}},
        "spec.signature.url",
        URL,
    ),
    Bad(
        "file and signature by plain http",
        "Image",
        {"spec.source.http.url": "http://a.example/b", "spec.signature": _BY_HTTP},
        "spec",
        SIGNED_BY_HTTPS,
    ),
    Bad(
        "a mirror and the signature by plain http",
        "Image",
        {_MIRRORS: ["http://a.example/b"], "spec.signature": _BY_HTTP},
        "spec",
        SIGNED_BY_HTTPS,
    ),
    Bad(
        "signed by nobody",
        "Image",
        {"spec.signature": {"url": "https://a.example/b"}},
        "spec.signature.publicKey",
    ),
    _published("a signature", MADE, signature={"url": "https://a.example/b", "publicKey": "RW" + "a" * 54}),
    _published("a checksum", MADE, checksum=_CHECKSUM),
    _published("refresh", MADE, refresh={"interval": "1h"}),
    _published("raw", QCOW2, format="raw"),
    Bad(
        "a Volume and an Instance",
        "Image",
        {"spec": {"source": {"volumeRef": {"name": "a"}, "instanceRef": {"name": "b"}}}},
        "spec.source",
        ONE_SOURCE,
    ),
    Bad(
        "a Volume without a name",
        "Image",
        {"spec": {"source": {"volumeRef": {}}}},
        "spec.source.volumeRef.name",
    ),
    Bad("no source", "Image", {"spec.source": {}}, "spec.source", ONE_SOURCE),
    Bad(
        "two sources", "Image", {"spec.source.oci": {"reference": "r.example/d:1"}}, "spec.source", ONE_SOURCE
    ),
    Bad("a mirror by ftp", "Image", {_MIRRORS: ["ftp://a.example/b"]}, f"{_MIRRORS}[0]", URL),
    Bad("a mirror by plain http", "Image", {_MIRRORS: ["http://a.example/b"]}, "spec", PLAIN_HTTP),
    Bad("nine mirrors", "Image", {_MIRRORS: ["https://a.example/b"] * 9}, _MIRRORS),
    Bad("a login by plain http", "Image", _login("http://a.example/b"), "spec.source.http", BY_HTTPS),
    Bad(
        "a login to a mirror by plain http",
        "Image",
        _login("https://a.example/b", "http://b.example/b"),
        "spec.source.http",
        BY_HTTPS,
    ),
    _oci("debian"),
    _oci("registry.example/debian"),
    _oci("https://registry.example/debian:12"),
    _oci("registry.example/Debian:12"),
    _oci("registry.example/../debian:12"),
    _oci("registry.example/debian@sha256:12"),
    _oci("user@registry.example/debian:12"),
    _oci("registry.example:5000/debian"),
    _s3("endpoint", "https://s3.example.org/path", ENDPOINT),
    _s3("endpoint", "ftp://s3.example.org", ENDPOINT),
    _s3("endpoint", "https://me:pw@s3.example.org", CREDENTIALS),
    _s3("endpoint", "http://s3.example.org", PLAIN_HTTP, at="spec"),
    _s3("bucket", "Images", BUCKET),
    _s3("bucket", "a/b", BUCKET),
    _s3("key", "/etc/shadow", KEY),
    _s3("key", "a/../b", KEY),
    _s3("key", "a\nb", KEY),
]
