"""Which URLs and addresses an image may come from."""

import pytest
from yarl import URL

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
        ("https://a%2eb/x", "its host is malformed"),
        ("https://a b/x", "its host is malformed"),
        ("https://a\\@b/x", "its host is malformed"),
        ("https://\udcff/x", "not plain ASCII"),
        ("http://[fe80::1%25eth0]/x", "its host is malformed"),
        ("https://host:0/x", "has no valid port"),
        ("https://bücher.example/x", "use its ASCII form, xn--"),
        ("http://\U0001fbf127.0.0.1/x", "use its ASCII form, xn--"),
        ("https://１２７.0.0.1/x", "use its ASCII form, xn--"),
        ("https://127。0.0.1/x", "use its ASCII form, xn--"),
        ("https://2130706433/x", "is a number"),
        ("https://127.1/x", "is a number"),
        ("https://0x7f000001/x", "is a number"),
        ("https://0x7f.0.0.0x1/x", "is a number"),
        ("https://0177.0.0.1/x", "is a number"),
        ("https://127.0.0.1./x", "is a number"),
        ("https://1.2.3.4.5/x", "is a number"),
        ("https://127.0.0.1/x", "at a private address"),
        ("https://[::1]/x", "at a private address"),
        ("https://[0:0::1]/x", "at a private address"),
        ("https://[::FFFF:127.0.0.1]/x", "at a private address"),
        ("https://[64:ff9b::127.0.0.1]/x", "at a private address"),
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
     "::1", "fe80::1", "fe80::1%1", "fd00::8", "::ffff:127.0.0.1", "0.0.0.0",
     "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2002:7f00:1::", "2001:0:7f00:1::",
     "::7f00:1", "::a00:1", "::ffff:0:7f00:1", "fec0::1", "ff0e::1"],
)  # fmt: skip
def test_private_addresses_need_the_platforms_word(address):
    with pytest.raises(ImageError, match="private address"):
        check_address(location("https://mirror.example.org/x"), address)
    check_address(location("http://mirror:8000/x", hosts=["mirror:8000"]), address)


def test_public_addresses_pass():
    for address in ("151.101.2.132", "2a04:4e42::644", "::ffff:151.101.2.132", "64:ff9b::151.101.2.132"):
        check_address(location("https://mirror.example.org/x"), address)
    assert location("https://151.101.2.132/x").host == "151.101.2.132"


@pytest.mark.parametrize(
    "url",
    [
        "https://mirror.example.org/a%20b?X-Amz-Signature=%2F%2f",
        "https://Mirror.Example.org/a b",
        "https://xn--bcher-kva.example/ü",
        "https://a_b.example/x",
        "https://[2A04:4e42::0644]/x",
    ],
)
def test_what_is_asked_is_what_was_vetted(url):
    found = location(url)
    assert isinstance(found.url, URL)
    assert found.url.raw_host.lower() == found.host
    assert found.url.port == found.port
    if " " not in url and "ü" not in url:
        assert str(found.url) == url, "a signed URL is sent as it is"


def test_redirects_are_vetted_and_never_downgrade():
    origin = location("https://a.example/x")
    followed = redirected(origin, "/y", checksum=True, allowed_private_hosts=())
    assert str(followed.url) == "https://a.example/y"
    with pytest.raises(ImageError, match="from https to http"):
        redirected(origin, "http://a.example/y", checksum=True, allowed_private_hosts=())
    for malformed in ("http://[", "https://a..b/y"):
        with pytest.raises(ImageError, match=r"malformed|no URL") as caught:
            redirected(origin, malformed, checksum=True, allowed_private_hosts=())
        assert caught.value.permanent
    with pytest.raises(ImageError, match="must start with"):
        redirected(origin, "file:///etc/shadow", checksum=True, allowed_private_hosts=())
