"""What an image's document says of it."""

import io
import json
import tarfile

from orlop_cluster import sbom
from orlop_cluster.archive import Image, pack, write_archive

STATUS = """Package: libvirt0
Status: install ok installed
Architecture: amd64
Version: 9.0.0-4+deb12u2

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: passwd
Status: install ok installed
Architecture: amd64
Version: 1:4.13+dfsg1-1
"""
METADATA = (
    "Metadata-Version: 2.4\nName: Typing_Extensions\nVersion: 4.15.0\nRequires-Dist: x\n\nName: not this\n"
)


def layer(folder, **files):
    root = folder / "root"
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def purls(path):
    return [component["purl"] for component in json.loads(path.read_text())["components"]]


def test_packages_of_all_layers_are_named_once(tmp_path):
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    debian = layer(lower, var__lib__dpkg__status=STATUS)
    python = upper / "root/usr/lib/typing_extensions-4.15.0.dist-info"
    python.mkdir(parents=True)
    (python / "METADATA").write_text(METADATA)
    layers = (pack(tmp_path / "a.tar", debian), pack(tmp_path / "b.tar", upper / "root"))
    image = Image("localhost/orlop-thing:dev", layers, entrypoint=("/x",), environment=(), user="")
    [written] = sbom.write(write_archive(tmp_path / "images.tar", [image]))
    assert written.name == "orlop-thing.cdx.json"
    assert purls(written) == [
        "pkg:deb/debian/libvirt0@9.0.0-4%2Bdeb12u2?arch=amd64&distro=debian-12",
        "pkg:deb/debian/passwd@1%3A4.13%2Bdfsg1-1?arch=amd64&distro=debian-12",
        "pkg:pypi/typing-extensions@4.15.0",
    ]
    first = written.read_bytes()
    sbom.write(tmp_path / "images.tar")
    assert written.read_bytes() == first


def test_the_image_is_named_by_its_digest(tmp_path):
    image = Image("localhost/orlop-empty:dev", (), entrypoint=("/x",), environment=(), user="")
    [written] = sbom.write(write_archive(tmp_path / "images.tar", [image]))
    said = json.loads(written.read_text())["metadata"]["component"]
    with tarfile.open(tmp_path / "images.tar") as tar:
        listed = json.load(tar.extractfile("manifest.json") or io.BytesIO())
    assert said == {
        "type": "container", "name": "orlop-empty",
        "version": f"sha256:{listed[0]['Config'].rpartition('/')[2]}",
    }  # fmt: skip
