"""Container images without a container engine: layers, image configurations, and the two ways to carry them.

A docker-archive (one tar with manifest.json) is what `ctr images import` and `kind load` read; an OCI layout
(a directory of blobs, OCI image-spec 1.1) is what podman reads without another copy being made.
"""

import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

CREATED = "2026-01-01T00:00:00Z"
"""The age of every image, so that equal layers give equal images."""
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
        return json.dumps({
            "architecture": "amd64", "os": "linux", "created": CREATED, "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in self.layers]},
        }).encode()  # fmt: skip


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
    """Write images as one docker-archive; a layer that several share is in it once."""
    listed, configs, layers = [], {}, {}
    for image in images:
        config = image.config()
        identity = hashlib.sha256(config).hexdigest()
        configs[identity] = config
        layers.update({layer.digest: layer.path for layer in image.layers})
        listed.append({
            "Config": f"{identity}.json", "RepoTags": [image.reference],
            "Layers": [f"{layer.digest}/layer.tar" for layer in image.layers],
        })  # fmt: skip
    new = target.with_name(target.name + ".new")
    with tarfile.open(new, "w") as tar:
        texts = {f"{identity}.json": config for identity, config in configs.items()}
        for name, data in {**texts, "manifest.json": json.dumps(listed).encode()}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for digest, path in layers.items():
            info = tarfile.TarInfo(f"{digest}/layer.tar")
            info.size = path.stat().st_size
            with path.open("rb") as content:
                tar.addfile(info, content)
    new.rename(target)
    return target


def write_layout(target: Path, image: Image) -> Path:
    """Write one image as an OCI layout; its layers are linked, not copied, and so must be on the same disk."""
    blobs = target / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    config = image.config()
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _blob(blobs, config, "application/vnd.oci.image.config.v1+json"),
        "layers": [
            {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": f"sha256:{layer.digest}",
             "size": layer.path.stat().st_size}
            for layer in image.layers
        ],
    }).encode()  # fmt: skip
    for layer in image.layers:
        if not (blobs / layer.digest).exists():
            (blobs / layer.digest).hardlink_to(layer.path)
    listed = {
        **_blob(blobs, manifest, "application/vnd.oci.image.manifest.v1+json"),
        "annotations": {"org.opencontainers.image.ref.name": image.reference},
    }
    (target / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [listed]}))
    (target / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    return target


def _blob(blobs: Path, data: bytes, media_type: str) -> dict[str, object]:
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}
