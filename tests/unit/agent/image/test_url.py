"""Which URLs and addresses an image may come from."""

import pytest

from orlop_agent.image.errors import ImageError
from orlop_agent.image.url import check_address, redirected, vetted


def location(url, *, checksum=True, hosts=()):
    return vetted(url, checksum=checksum, allowed_private_hosts=hosts)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("file:///etc/shadow", "must start with https:// or http://"),
        ("ftp://host/x", "must start with https:// or http://"),
        ("https://user:secret@host/x", "hold no credentials"),
        ("https:///x", "must name a host"),
        ("https://host:22/x", "port 22 is not 443"),
        ("http://host:10250/x", "port 10250 is not 80"),
        ("https://host:99999/x", "has no valid port"),
        ("http://[", "its host is malformed"),
        ("https://a..b/x", "its host is malformed"),
        (f"https://{'a' * 64}.example/x", "its host is malformed"),
    ],
)
def test_refused(url, says):
    with pytest.raises(ImageError, match=says) as caught:
        location(url)
    assert caught.value.reason == "ForbiddenURL"
    assert caught.value.permanent


def test_plain_http_needs_a_checksum():
    with pytest.raises(ImageError, match="needs a checksum"):
        location("http://host/x", checksum=False)
    assert location("http://host/x").port == 80


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "100.64.0.1", "198.18.0.2", "224.0.0.1",
     "::1", "fe80::1", "fd00::8", "::ffff:127.0.0.1", "0.0.0.0"],
)  # fmt: skip
def test_private_addresses_need_the_platforms_word(address):
    with pytest.raises(ImageError, match="private address"):
        check_address(location("https://mirror.example.org/x"), address)
    check_address(location("http://mirror:8000/x", hosts=["mirror:8000"]), address)


def test_public_addresses_pass():
    check_address(location("https://mirror.example.org/x"), "151.101.2.132")


def test_redirects_are_vetted_and_never_downgrade():
    origin = location("https://a.example/x")
    assert redirected(origin, "/y", checksum=True, allowed_private_hosts=()).url == "https://a.example/y"
    with pytest.raises(ImageError, match="from https to http"):
        redirected(origin, "http://a.example/y", checksum=True, allowed_private_hosts=())
    for malformed in ("http://[", "https://a..b/y"):
        with pytest.raises(ImageError, match=r"malformed|no URL") as caught:
            redirected(origin, malformed, checksum=True, allowed_private_hosts=())
        assert caught.value.permanent
    with pytest.raises(ImageError, match="must start with"):
        redirected(origin, "file:///etc/shadow", checksum=True, allowed_private_hosts=())
