"""Container images without a container engine: layers, image configurations, and the two ways to carry them.

An archive (one tar) is what `ctr images import`, `docker load` and `kind load` read; an OCI layout (a directory of
blobs, OCI image-spec 1.1) is what podman reads without another copy being made.
"""

import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

CREATED = "2026-01-01T00:00:00Z"
"""The age of every image, so that equal layers give equal images."""
LAYOUT = b'{"imageLayoutVersion": "1.0.0"}'
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OPAQUE = "trusted.overlay.opaque"
SEARCH_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class LayerFile:
    """A packed layer: a plain tar and its sha256 in hex."""

    path: Path
    digest: str


@dataclass(frozen=True)
class Image:
    """What an image says of itself (OCI image-spec, config.md), and its layers from the lowest up."""

    reference: str
    layers: tuple[LayerFile, ...]
    entrypoint: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    user: str = ""
    stop_signal: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def config(self) -> bytes:
        """The configuration; its sha256 is the image's id."""
        settings: dict[str, object] = {
            "Env": [SEARCH_PATH, *self.environment],
            "Entrypoint": list(self.entrypoint),
        }
        if self.user:
            settings["User"] = self.user
        if self.stop_signal:
            settings["StopSignal"] = self.stop_signal
        if self.labels:
            settings["Labels"] = dict(self.labels)
        # One entry a layer: engines that build upon the image count the two against each other.
        history = [{"created": CREATED, "created_by": "cluster/dev"} for _ in self.layers]
        return json.dumps({
            "architecture": "amd64", "os": "linux", "created": CREATED, "config": settings, "history": history,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in self.layers]},
        }).encode()  # fmt: skip

    def manifest(self) -> bytes:
        """The OCI manifest: the configuration and the layers by digest and size."""
        return json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": _described(self.config(), "application/vnd.oci.image.config.v1+json"),
            "layers": [
                {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": f"sha256:{layer.digest}",
                 "size": layer.path.stat().st_size}
                for layer in self.layers
            ],
        }).encode()  # fmt: skip

    def descriptor(self) -> dict[str, Any]:
        """The image's entry in an index. containerd takes the name from its own annotation, others from OCI's."""
        names = {
            "org.opencontainers.image.ref.name": self.reference,
            "io.containerd.image.name": self.reference,
        }
        return {**_described(self.manifest(), MANIFEST), "annotations": names}


class _Hashed(io.RawIOBase):
    """A sink that hashes what passes."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        self.sha256.update(data)
        return self._sink.write(data)


def pack(target: Path, *directories: Path, leave_out: Callable[[str], bool] = lambda _: False) -> LayerFile:
    """Pack directories into one layer, sorted, owned by the numbers they have.

    Times stay: Python's compiled modules name the time of their source. What an overlay keeps as character device
    0:0 or as an opaque directory becomes the `.wh.` entries of OCI layers. The digest is kept beside the tar.
    """
    new = target.with_name(target.name + ".new")
    with new.open("wb") as sink:
        hashed = _Hashed(sink)
        with tarfile.open(fileobj=hashed, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for directory in directories:
                for entry in _entries(tar, directory, leave_out):
                    _add(tar, entry)
    digest = hashed.sha256.hexdigest()
    new.rename(target)
    target.with_name(target.name + ".sha256").write_text(digest)
    return LayerFile(target, digest)


def packed(target: Path) -> LayerFile | None:
    """A layer that `pack` finished before."""
    digest = target.with_name(target.name + ".sha256")
    return LayerFile(target, digest.read_text()) if target.exists() and digest.exists() else None


def _entries(
    tar: tarfile.TarFile, directory: Path, leave_out: Callable[[str], bool]
) -> Iterator[tuple[tarfile.TarInfo, Path]]:
    for parent, folders, files in os.walk(directory):
        folders.sort()
        relative = Path(parent).relative_to(directory)
        kept = []
        for name in sorted([*folders, *files]):
            inside, path = str(relative / name), Path(parent) / name
            if leave_out(inside):
                continue
            if name in folders:
                kept.append(name)
            status = path.lstat()
            if stat.S_ISSOCK(status.st_mode):
                continue
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                yield tarfile.TarInfo(str(relative / f".wh.{name}")), path
                continue
            info = tar.gettarinfo(str(path), arcname=inside)
            yield info, path
            if info.isdir() and _opaque(path):
                yield tarfile.TarInfo(f"{inside}/.wh..wh..opq"), path
        folders[:] = [f for f in folders if f in kept]


def _opaque(path: Path) -> bool:
    try:
        return os.getxattr(path, OPAQUE, follow_symlinks=False) == b"y"
    except OSError:
        return False


def _add(tar: tarfile.TarFile, entry: tuple[tarfile.TarInfo, Path]) -> None:
    info, path = entry
    info.uname = info.gname = ""
    if info.isreg() and info.size:
        with path.open("rb") as content:
            tar.addfile(info, content)
    else:
        tar.addfile(info)


def write_archive(target: Path, images: Iterable[Image]) -> Path:
    """Write images as one archive; a layer that several share is in it once.

    It is an OCI layout in a tar with a manifest.json beside, as `docker save` writes since version 25, so that
    containerd, podman and older Dockers all take it.
    """
    listed, index, texts, layers = [], [], {}, {}
    for image in images:
        config, manifest = image.config(), image.manifest()
        for text in (config, manifest):
            texts[_blob_path(hashlib.sha256(text).hexdigest())] = text
        layers.update({_blob_path(layer.digest): layer.path for layer in image.layers})
        listed.append({
            "Config": _blob_path(hashlib.sha256(config).hexdigest()), "RepoTags": [image.reference],
            "Layers": [_blob_path(layer.digest) for layer in image.layers],
        })  # fmt: skip
        index.append(image.descriptor())
    texts["oci-layout"] = LAYOUT
    texts["index.json"] = json.dumps({"schemaVersion": 2, "manifests": index}).encode()
    texts["manifest.json"] = json.dumps(listed).encode()
    new = target.with_name(target.name + ".new")
    with tarfile.open(new, "w") as tar:
        for name, data in texts.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for name, path in layers.items():
            info = tarfile.TarInfo(name)
            info.size = path.stat().st_size
            with path.open("rb") as content:
                tar.addfile(info, content)
    new.rename(target)
    return target


def write_layout(target: Path, image: Image) -> Path:
    """Write one image as an OCI layout; its layers are linked, not copied, and so must be on the same disk."""
    blobs = target / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for text in (image.config(), image.manifest()):
        (blobs / hashlib.sha256(text).hexdigest()).write_bytes(text)
    for layer in image.layers:
        if not (blobs / layer.digest).exists():
            (blobs / layer.digest).hardlink_to(layer.path)
    (target / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [image.descriptor()]}))
    (target / "oci-layout").write_bytes(LAYOUT)
    return target


def without(archive: Path, known: AbstractSet[str], sink: IO[bytes]) -> None:
    """Copy an archive to `sink` without the blobs whose digests (hex) are known on the other side.

    What is not an OCI layout is copied as it is.
    """
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        if "index.json" not in {member.name for member in members}:
            with archive.open("rb") as whole:
                shutil.copyfileobj(whole, sink, 1 << 20)
            return
        with tarfile.open(fileobj=sink, mode="w|") as thin:
            for member in members:
                path = PurePosixPath(member.name)
                # manifest.json would ask for every layer; index.json is enough for containerd.
                if (path.parent.name == "sha256" and path.name in known) or member.name == "manifest.json":
                    continue
                thin.addfile(member, tar.extractfile(member))


def _blob_path(digest: str) -> str:
    return f"blobs/sha256/{digest}"


def _described(data: bytes, media_type: str) -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
        "size": len(data),
    }
