"""Disks in registries: from a reference to one layer (OCI distribution and image specifications, 1.1).

An artifact's layer is the disk file itself. A container disk's is a tar with the disk below disk/. Of an index
the manifest for linux/amd64 is taken. Every digest on the way is verified, so what the reference meant can be
pinned.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from yarl import URL

from orlop_agent.image.credentials import Credentials
from orlop_agent.image.errors import ImageError, short
from orlop_agent.image.small import bounded, in_time
from orlop_agent.image.web import Ask, Web, refused

_REFERENCE = re.compile(
    r"(?P<host>[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?(?::[0-9]{1,5})?)"
    r"/(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
_MOST = 1 << 20
"""Bytes of a manifest; registries hold to 4 MiB, and those of disks have a few hundred."""
_EXCHANGE_SECONDS = 60
"""For a manifest or a token, which are small: a server must not hold an import by sending a byte now and then."""
_MOST_LAYERS = 128


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of a registry."""

    host: str
    name: str

    @property
    def shown(self) -> str:
        return f"{self.host}/{self.name}"

    def url(self, kind: str, which: str) -> str:
        return f"https://{self.host}/v2/{self.name}/{kind}/{which}"


@dataclass(frozen=True, slots=True)
class Layer:
    """The blob with the disk."""

    repository: Repository
    reference: str
    """Of the manifest that names it, by digest."""
    digest: str
    is_tar: bool


async def find(web: Web, reference: str, credentials: Credentials) -> Layer:
    """The layer that a reference means now; ImageError."""
    repository, which = _read(reference)
    digest, manifest = await _manifest(web, repository, which, credentials)
    if manifest.get("mediaType") in _INDEXES or "manifests" in manifest:
        chosen = _for_platform(manifest)
        digest, manifest = await _manifest(web, repository, chosen, credentials)
    layer = _layer(manifest)
    return Layer(repository, f"{repository.shown}@{digest}", layer["digest"], is_tar=_is_tar(manifest))


def pinned(reference: str, digest: str) -> Layer:
    """The layer with these bytes, whatever the reference means by now; ImageError."""
    repository, _ = _read(reference)
    return Layer(repository, reference, digest, is_tar=False)


async def blob(web: Web, layer: Layer, credentials: Credentials) -> Ask:
    """The request for a layer's bytes."""
    return await _authorized(web, layer.repository, layer.repository.url("blobs", layer.digest), credentials)


def _read(reference: str) -> tuple[Repository, str]:
    """The repository, and the tag or digest."""
    found = _REFERENCE.fullmatch(reference)
    if found is None or not (found["tag"] or found["digest"]):
        raise _bad(f"{reference[:256]} is no registry/repository with :tag or @sha256:…")
    return Repository(_known_host(found["host"]), found["name"]), found["digest"] or found["tag"]


def _known_host(host: str) -> str:
    """docker.io is a name for people; its registry has another (as every client knows)."""
    return "registry-1.docker.io" if host == "docker.io" else host


async def _manifest(
    web: Web, repository: Repository, which: str, credentials: Credentials
) -> tuple[str, dict[str, Any]]:
    """A manifest or index and the sha256 of its bytes, which must be the one that was asked for by digest."""
    url = repository.url("manifests", which)
    ask = await _authorized(web, repository, url, credentials)
    accept = {"Accept": ", ".join((*_MANIFESTS, *_INDEXES))}
    what = f"the manifest of {ask.shown}"
    async with in_time(what, _EXCHANGE_SECONDS), web.get(ask, checked=False, headers=accept) as response:
        if response.status != 200:
            raise refused(response, ask)
        body = await bounded(response, what, _MOST, "ManifestTooLarge")
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    if _DIGEST.fullmatch(which) and digest != which:
        raise ImageError("ChecksumMismatch", f"{ask.shown} has a manifest of another digest", permanent=True)
    try:
        manifest = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _bad(f"the manifest of {ask.shown} is no JSON") from error
    if not isinstance(manifest, dict):
        raise _bad(f"the manifest of {ask.shown} is no object")
    return digest, manifest


def _for_platform(index: Mapping[str, Any]) -> str:
    for entry in _list(index, "manifests"):
        platform = entry.get("platform") or {}
        if platform.get("os") == "linux" and platform.get("architecture") == "amd64":
            return _digest_of(entry)
    raise _bad("the index has no manifest for linux/amd64")


def _layer(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The only layer, or of a container disk on a base of others the last."""
    layers = _list(manifest, "layers")
    if not layers:
        raise _bad("the manifest has no layers")
    if len(layers) > 1 and not _is_tar(manifest):
        raise _bad(f"the artifact has {len(layers)} layers; one with the disk is needed")
    return {**layers[-1], "digest": _digest_of(layers[-1])}


def _is_tar(manifest: Mapping[str, Any]) -> bool:
    """Whether it is a container's image; an artifact's config is something else."""
    config = manifest.get("config")
    return isinstance(config, dict) and config.get("mediaType") in _CONFIGS


def _list(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = document.get(key)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise _bad(f"the manifest's {key} are no list of descriptors")
    if len(found) > _MOST_LAYERS:
        raise _bad(f"the manifest has {len(found)} {key}, at most {_MOST_LAYERS} are allowed")
    return found


def _digest_of(descriptor: Mapping[str, Any]) -> str:
    digest = descriptor.get("digest")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise _bad("the manifest has a digest that is not sha256: and 64 hex digits")
    return digest


async def _authorized(web: Web, repository: Repository, url: str, credentials: Credentials) -> Ask:
    """The request with what the registry asks for: nothing, user and password, or a token of its own."""
    plain = Ask(url, f"{short(repository.shown)} ({url.rpartition('/')[2][:80]})")
    version = f"https://{repository.host}/v2/"
    async with web.get(Ask(version, repository.host), checked=False) as response:
        # Whoever it redirects to has no say in where the login goes.
        own = (response.url.raw_host, response.url.port) == (URL(version).raw_host, URL(version).port)
        challenge = response.headers.get("WWW-Authenticate", "") if own and response.status == 401 else ""
    scheme, _, rest = challenge.partition(" ")
    match scheme.lower():
        case "":
            return plain
        case "basic":
            return Ask(plain.url, plain.shown, credentials.basic())
        case "bearer" if credentials.token:
            return Ask(plain.url, plain.shown, credentials.authorization())
        case "bearer":
            token = await _token(web, repository, _parameters(rest), credentials)
            return Ask(plain.url, plain.shown, {"Authorization": f"Bearer {token}"})
        case _:
            what = f"{repository.host} asks for {scheme[:32]}; Bearer and Basic are known"
            raise ImageError("ServerError", what, permanent=True)


async def _token(
    web: Web, repository: Repository, challenge: Mapping[str, str], credentials: Credentials
) -> str:
    """The distribution specification's token handshake: a pull token from the realm that the registry names."""
    realm = challenge.get("realm", "")
    if not realm.startswith("https://"):
        raise ImageError("ForbiddenURL", f"{repository.host} names no https realm for tokens", permanent=True)
    query = {"scope": f"repository:{repository.name}:pull"}
    if "service" in challenge:
        query["service"] = challenge["service"]
    ask = Ask(
        f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}",
        f"the token service of {repository.host}",
        credentials.basic(),
    )
    what = f"the token of {repository.host}"
    async with in_time(what, _EXCHANGE_SECONDS), web.get(ask, checked=False) as response:
        if response.status != 200:
            raise refused(response, ask)
        body = await bounded(response, what, _MOST, "ManifestTooLarge")
    try:
        answer = json.loads(body)
        token = answer.get("token") or answer.get("access_token")
    except (ValueError, AttributeError, RecursionError) as error:
        raise _no_token(ask) from error
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise _no_token(ask)
    return token


def _no_token(ask: Ask) -> ImageError:
    return ImageError("ServerError", f"{ask.shown} gave no token", permanent=False)


def _parameters(challenge: str) -> dict[str, str]:
    return dict(re.findall(r'([a-z]+)="([^"]*)"', challenge[:4096]))


def _bad(message: str) -> ImageError:
    return ImageError("BadManifest", message, permanent=True)
