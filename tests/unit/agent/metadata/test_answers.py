"""Methods, tokens, and what is refused."""

from collections.abc import Mapping

import pytest

from orlop_agent.metadata.answers import LONGEST, TOKEN, TOKEN_PATH, TTL, Answer, answer
from orlop_agent.metadata.guest import Guest
from support.known import known_guest

KEY = b"k" * 32
ID = "/latest/meta-data/instance-id"


def ask(
    guest: Guest,
    path: str = ID,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    now: float = 1000,
) -> Answer:
    return answer(guest, method, path, headers or {}, KEY, now)


def token(guest: Guest, seconds: int = 60) -> str:
    said = ask(guest, TOKEN_PATH, "PUT", {TTL: str(seconds)})
    assert (said.status, said.headers[TTL]) == (200, str(seconds))
    return said.content.decode()


def test_with_a_token_and_without(guest: Guest):
    assert ask(guest).content == b"uid-1"
    assert ask(guest, headers={TOKEN: token(guest)}).content == b"uid-1"


def test_a_token_ends(guest: Guest):
    held = {TOKEN: token(guest, 60)}
    assert ask(guest, headers=held, now=1059).status == 200
    assert ask(guest, headers=held, now=1060).status == 401


def test_a_token_is_one_guests(guest: Guest):
    other = known_guest("uid-2", "web-2", "10.10.0.21")
    assert ask(other, headers={TOKEN: token(guest)}).status == 401


@pytest.mark.parametrize("bad", ["", "x", "====", "é", "OTk5OTk5OTk5OS4=", "A" * 4000])
def test_no_other_token_holds(guest: Guest, bad: str):
    assert ask(guest, headers={TOKEN: bad}).status == 401


@pytest.mark.parametrize("bad", ["", "0", "-1", "1.5", "x", "21601", "9" * 400, "٣", " 60"])
def test_how_long_a_token_may_hold(guest: Guest, bad: str):
    said = ask(guest, TOKEN_PATH, "PUT", {TTL: bad})
    assert (said.status, said.content) == (400, f"{TTL} must be 1 to {LONGEST}\n".encode())


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded"])
@pytest.mark.parametrize(("method", "path"), [("GET", ID), ("PUT", TOKEN_PATH), ("GET", "/nowhere")])
def test_proxies_are_refused(guest: Guest, header: str, method: str, path: str):
    assert ask(guest, path, method, {header: "192.0.2.1", TTL: "60"}).status == 403


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", ID, "GET, HEAD"),
        ("PUT", ID, "GET, HEAD"),
        ("DELETE", "/", "GET, HEAD"),
        ("GET", TOKEN_PATH, "PUT"),
    ],
)
def test_other_methods_are_told_which_there_are(guest: Guest, method: str, path: str, allowed: str):
    said = ask(guest, path, method)
    assert (said.status, said.headers["Allow"]) == (405, allowed)


def test_what_there_is_not(guest: Guest):
    assert ask(guest, "/latest/nothing").status == 404
