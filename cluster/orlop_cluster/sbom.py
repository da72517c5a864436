"""What is in a container image: a CycloneDX document for each image of an archive (CycloneDX 1.6, JSON).

Read out of the image's own layers, so it names what is there and not what was asked for.
"""

import json
import tarfile
from collections.abc import Iterator, Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

_DPKG = "var/lib/dpkg/status"


def write(archive: Path) -> list[Path]:
    """One document beside the archive for each image in it, named as the image; an image's are equal if it is."""
    with tarfile.open(archive) as tar:
        listed = json.load(_member(tar, "manifest.json"))
        return [_write_one(archive.parent, tar, image) for image in listed]


def _write_one(folder: Path, tar: tarfile.TarFile, image: Mapping[str, Any]) -> Path:
    files: dict[str, bytes] = {}
    for layer in image["Layers"]:
        files.update(_told_by(_member(tar, layer)))
    name = image["RepoTags"][0].rpartition("/")[2].partition(":")[0]
    made = document(name, Path(image["Config"]).name, files)
    target = folder / f"{name}.cdx.json"
    target.write_text(json.dumps(made, indent=1) + "\n")
    return target


def _member(tar: tarfile.TarFile, name: str) -> Any:
    found = tar.extractfile(name)
    if found is None:
        raise FileNotFoundError(name)
    return found


def _told_by(layer: Any) -> Iterator[tuple[str, bytes]]:
    """The files of a layer that tell of packages."""
    with tarfile.open(fileobj=layer) as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if member.isfile() and (name == _DPKG or name.endswith(".dist-info/METADATA")):
                yield name, _member(tar, member.name).read()


def document(name: str, digest: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    """The document of an image that has these files. No time, no serial number: equal images, equal bytes."""
    components = [each for path, text in files.items() for each in _components(path, text.decode())]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": name, "version": f"sha256:{digest}"}},
        "components": sorted(components, key=lambda component: str(component["purl"])),
    }


def _components(path: str, text: str) -> Iterator[dict[str, str]]:
    """Packages by their package URLs (purl-spec, types pypi and deb)."""
    if path == _DPKG:
        for paragraph in filter(None, text.split("\n\n")):
            package = HeaderParser().parsestr(paragraph)
            if package["Status"] == "install ok installed":
                where = f"arch={package['Architecture']}&distro=debian-12"
                yield _component(package["Package"], package["Version"], "deb/debian", f"?{where}")
    else:
        package = HeaderParser().parsestr(text)
        yield _component(package["Name"].lower().replace("_", "-"), package["Version"], "pypi", "")


def _component(name: str, version: str, kind: str, where: str) -> dict[str, str]:
    purl = f"pkg:{kind}/{name}@{version.replace(':', '%3A').replace('+', '%2B')}{where}"
    return {"type": "library", "name": name, "version": version, "purl": purl}
