"""Layers and images, as the OCI image specification has them."""

import hashlib
import io
import json
import os
import tarfile

import pytest

from orlop_cluster.archive import Image, LayerFile, pack, packed, without, write_archive


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "b").write_text("b")
    (root / "a").write_text("a" * 3000)
    (root / "link").symlink_to("a")
    (root / "dev").mkdir()
    (root / "dev" / "left").write_text("out")
    for path in [*root.rglob("*"), root]:
        os.utime(path, (1, 1), follow_symlinks=False)
    return root


def members(path):
    with tarfile.open(path) as tar:
        return tar.getnames()


def test_a_layer_is_sorted_and_the_same_every_time(tmp_path, tree):
    first, second = pack(tmp_path / "1.tar", tree), pack(tmp_path / "2.tar", tree)
    assert first.digest == second.digest == hashlib.sha256(first.path.read_bytes()).hexdigest()
    assert members(first.path) == ["a", "dev", "etc", "link", "dev/left", "etc/b"]
    with tarfile.open(first.path) as tar:
        assert tar.getmember("link").linkname == "a"
        assert {member.uname for member in tar} == {""}


def test_a_finished_layer_is_found_again(tmp_path, tree):
    target = tmp_path / "layer.tar"
    assert packed(target) is None
    assert pack(target, tree) == packed(target)


def test_what_is_left_out_is_not_entered(tmp_path, tree):
    layer = pack(tmp_path / "l.tar", tree, leave_out=lambda name: name == "dev")
    assert "dev/left" not in members(layer.path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_what_an_overlay_removed_is_a_whiteout(tmp_path, tree):
    os.mknod(tree / "etc" / "gone", 0o20644, os.makedev(0, 0))
    assert "etc/.wh.gone" in members(pack(tmp_path / "l.tar", tree).path)


@pytest.fixture
def images(tmp_path):
    layers = []
    for name in ("low", "one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(name)
        layers.append(pack(tmp_path / f"{name}.tar", tmp_path / name))
    low, one, two = layers
    return [
        Image("localhost/one:dev", (low, one), entrypoint=("/one",), user="65532:65532"),
        Image("localhost/two:dev", (low, two), environment=("A=b",), stop_signal="SIGRTMIN+3"),
    ]


def test_an_archive_has_shared_layers_once_and_every_blob_is_its_digest(tmp_path, images):
    with tarfile.open(write_archive(tmp_path / "images.tar", images)) as tar:
        content = {member.name: tar.extractfile(member).read() for member in tar}
    blobs = {name: data for name, data in content.items() if name.startswith("blobs/sha256/")}
    assert len(blobs) == 3 + 2 + 2
    assert all(hashlib.sha256(data).hexdigest() == name.rpartition("/")[2] for name, data in blobs.items())
    assert json.loads(content["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    described = json.loads(content["index.json"])["manifests"]
    assert [d["annotations"]["io.containerd.image.name"] for d in described] == [
        "localhost/one:dev", "localhost/two:dev",
    ]  # fmt: skip
    for entry in described:
        manifest = json.loads(content["blobs/sha256/" + entry["digest"].removeprefix("sha256:")])
        for part in (manifest["config"], *manifest["layers"]):
            assert len(content["blobs/sha256/" + part["digest"].removeprefix("sha256:")]) == part["size"]


def test_what_an_image_says_of_itself(images):
    one, two = (json.loads(image.config()) for image in images)
    assert one["config"]["Entrypoint"] == ["/one"]
    assert one["config"]["User"] == "65532:65532"
    assert one["rootfs"]["diff_ids"] == [f"sha256:{layer.digest}" for layer in images[0].layers]
    assert len(one["history"]) == len(images[0].layers)
    assert two["config"]["Env"][-1] == "A=b"
    assert two["config"]["StopSignal"] == "SIGRTMIN+3"
    assert "User" not in two["config"]


def test_a_node_is_sent_only_the_layers_that_it_lacks(tmp_path, images):
    archive = write_archive(tmp_path / "images.tar", images)
    known = {images[0].layers[0].digest, images[0].layers[1].digest}
    sent = io.BytesIO()
    without(archive, known, sent)
    sent.seek(0)
    with tarfile.open(fileobj=sent) as tar:
        names = tar.getnames()
    assert f"blobs/sha256/{images[1].layers[1].digest}" in names
    assert not any(digest in name for name in names for digest in known)
    assert "index.json" in names
    assert "manifest.json" not in names


def test_an_archive_of_others_is_sent_whole(tmp_path):
    archive = tmp_path / "docker.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(tarfile.TarInfo("manifest.json"))
    sent = io.BytesIO()
    without(archive, set(), sent)
    assert sent.getvalue() == archive.read_bytes()


def test_an_image_is_named_by_its_layers(tmp_path):
    layer = LayerFile(tmp_path, "0" * 64)
    assert Image("a", (layer,)).config() == Image("b", (layer,)).config()
