"""What a node needs to be let in by a source: from the node's own Secret, never shown, never kept."""

from __future__ import annotations

import base64
import binascii
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from orlop_agent.image.errors import ImageError
from orlop_api.source import CA_KEY, PASSWORD_KEY, REGISTRIES_KEY, TOKEN_KEY, USERNAME_KEY


@dataclass(frozen=True, slots=True)
class Credentials:
    """All of them optional."""

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    authority: str = field(default="", repr=False)
    """Certificates in PEM that are trusted instead of the system's."""

    def authorization(self) -> dict[str, str]:
        """The header for a server that takes them as they are."""
        if self.token:
            return {"Authorization": f"Bearer {self.token}"}
        return self.basic()

    def basic(self) -> dict[str, str]:
        """The header with user and password (RFC 7617), if there are any."""
        if not self.username:
            return {}
        pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def trust(self) -> ssl.SSLContext:
        """How a server's certificate is verified."""
        context = ssl.create_default_context()
        if self.authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                context.load_verify_locations(cadata=self.authority)
            except (ssl.SSLError, ValueError) as error:
                raise ImageError(
                    "BadCertificate", "the Secret of caBundleSecretRef holds no certificates", permanent=False
                ) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


NONE = Credentials()
_DOCKER_HUB = ("docker.io", "registry-1.docker.io", "https://index.docker.io/v1/", "index.docker.io")
"""One registry: as references name it, as pinned ones do, and as `docker login` writes it down."""


def from_secret(data: Mapping[str, str], registry: str = "") -> Credentials:
    """From a Secret's data (base64); `registry` chooses among those that a Docker configuration has."""
    username, password, token = (_text(data, key) for key in (USERNAME_KEY, PASSWORD_KEY, TOKEN_KEY))
    registries = _text(data, REGISTRIES_KEY)
    if registries and not username and not token:
        username, password = _of_registry(registries, registry)
    if any(ord(character) < 0x20 for character in username + password + token):
        raise _incomplete("username, password and token must be single lines without control characters")
    if bool(username) != bool(password):
        raise _incomplete("username and password go together")
    return Credentials(username, password, token, _text(data, CA_KEY))


def _text(data: Mapping[str, str], key: str) -> str:
    try:
        return base64.b64decode(data.get(key, ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _incomplete(f"{key.removeprefix('image-')} is no text") from error


def _of_registry(registries: str, registry: str) -> tuple[str, str]:
    """User and password from `kubectl create secret docker-registry` (.dockerconfigjson)."""
    try:
        logins = json.loads(registries)["auths"]
        names = (registry, *(_DOCKER_HUB if registry in _DOCKER_HUB else ()))
        entry = logins[next((name for name in names if name in logins), registry)]
        if "auth" in entry:
            username, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
            return username, password
        return str(entry["username"]), str(entry["password"])
    except (ValueError, KeyError, TypeError) as error:
        raise _incomplete(f".dockerconfigjson has no user and password for {registry}") from error


def _incomplete(what: str) -> ImageError:
    return ImageError(
        "BadCredentials", f"the Secret of credentialsSecretRef cannot be used: {what}", permanent=False
    )
