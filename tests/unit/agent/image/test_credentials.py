"""Logins from Secrets."""

import base64
import json

import pytest

from orlop_agent.image.credentials import from_secret
from orlop_agent.image.errors import ImageError
from orlop_api.source import REGISTRIES_KEY


def login(registry, **auths):
    pairs = {name: {"auth": base64.b64encode(pair.encode()).decode()} for name, pair in auths.items()}
    text = json.dumps({"auths": pairs})
    found = from_secret({REGISTRIES_KEY: base64.b64encode(text.encode()).decode()}, registry)
    return found.username, found.password


@pytest.mark.parametrize("registry", ["docker.io", "registry-1.docker.io"])
@pytest.mark.parametrize("name", ["docker.io", "https://index.docker.io/v1/", "index.docker.io"])
def test_docker_hub_has_the_names_that_docker_login_writes(registry, name):
    assert login(registry, **{"ghcr.io": "a:b", name: "me:pw"}) == ("me", "pw")


def test_the_registrys_own_name_is_first_and_no_other_ones_login_is_taken():
    assert login("docker.io", **{"index.docker.io": "a:b", "docker.io": "me:pw"}) == ("me", "pw")
    with pytest.raises(ImageError, match=r"no user and password for ghcr\.io"):
        login("ghcr.io", **{"https://index.docker.io/v1/": "me:pw"})
