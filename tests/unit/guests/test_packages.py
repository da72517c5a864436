import pytest

from orlop_guests.packages import Package, PackageNotFoundError, ProgramFailedError, parse, run

SHOWN = """\
Package: linux-image-cloud-amd64
Source: linux-signed-amd64 (6.1.170+2)
Version: 6.1.170-2
Depends: linux-image-6.1.0-50-cloud-amd64 (= 6.1.170-2)
Description-en: Linux for cloud
 a second line: of it

Package: busybox-static
Version: 1:1.35.0-4
"""


def test_parses_what_apt_shows():
    assert parse(SHOWN) == {
        "linux-image-cloud-amd64": Package(
            "linux-image-cloud-amd64", "6.1.170-2", "linux-image-6.1.0-50-cloud-amd64 (= 6.1.170-2)"
        ),
        "busybox-static": Package("busybox-static", "1:1.35.0-4"),
    }
    assert parse("") == {}


def test_a_metapackage_names_the_package_it_stands_for():
    kernel = parse(SHOWN)["linux-image-cloud-amd64"].pinned("linux-image-")
    assert str(kernel) == "linux-image-6.1.0-50-cloud-amd64=6.1.170-2"
    with pytest.raises(PackageNotFoundError, match="linux-headers-"):
        parse(SHOWN)["busybox-static"].pinned("linux-headers-")


def test_a_failed_program_says_what_it_said():
    with pytest.raises(ProgramFailedError, match=r"^sh -c .* ended with 3: no such thing$"):
        run("sh", "-c", "echo no such thing >&2; exit 3")
