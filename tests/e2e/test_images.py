"""One new image, two real nodes: who fetches it from where."""

import os
from collections.abc import Iterator

import pytest

from orlop_cluster.lab import until
from support.lab import NAMESPACE, Cluster, Guests, image

pytestmark = pytest.mark.e2e


@pytest.fixture
def fresh(guests: Guests) -> Iterator[str]:
    """A disk that no node has seen: the tiny guest's, with a tail that nothing reads."""
    path = guests.folder / f"fresh-{os.getpid()}.qcow2"
    path.write_bytes((guests.folder / "tiny.qcow2").read_bytes() + os.urandom(512))
    yield path.name
    path.unlink()


def counted(cluster: Cluster, node: str) -> dict[str, int]:
    """Bytes that came to this node, and from where, as its agent counts them."""
    address = cluster.get("hv", node)["status"]["hostAddress"]
    found = cluster.on_node(node, "curl", "--silent", "--fail", f"http://{address}:9445/metrics")
    lines = (line.split() for line in found.splitlines() if line.startswith("orlop_image_cache_"))
    values = {name: int(float(value)) for name, value in (pair for pair in lines if len(pair) == 2)}
    return {kind: values[f"orlop_image_cache_{kind}_received_bytes_total"] for kind in ("source", "peer")}


def test_the_source_serves_a_new_image_once(cluster: Cluster, guests: Guests, fresh: str) -> None:
    """A peer with a certificate gives it to the other node; and an Image goes where it is wanted early."""
    for node in cluster.workers:
        until(lambda node=node: cluster.get("hv", node), _takes_part, 60)
    size = (guests.folder / fresh).stat().st_size
    before = {node: counted(cluster, node) for node in cluster.workers}
    spec = image(guests) | {
        "source": {"http": {"url": guests.url(fresh)}},
        "checksum": guests.checksum(fresh),
    }
    cluster.apply(
        cluster.object("Image", "fresh", spec),
        *(
            cluster.instance(
                f"fresh-{number}",
                network=None,
                boot={"imageRef": {"name": "fresh"}},
                placement={"nodeSelector": {"kubernetes.io/hostname": cluster.workers[number % 2]}},
            )
            for number in range(4)
        ),
    )
    names = [f"fresh-{number}" for number in range(4)]
    for name in names:
        cluster.wait(f"inst/{name}", namespace=NAMESPACE)
    got = {
        node: {kind: now - before[node][kind] for kind, now in counted(cluster, node).items()}
        for node in cluster.workers
    }
    assert sorted((one["source"], one["peer"]) for one in got.values()) == [(0, size), (size, 0)]

    cluster.kubectl(
        "patch", "img", "fresh", "--namespace", NAMESPACE, "--type=merge", "-p", '{"spec": {"prePull": {}}}'
    )
    pulled = until(
        lambda: cluster.get("img", "fresh", NAMESPACE)["status"].get("prePull", {}),
        lambda said: said.get("present") == 2,
        60,
    )
    assert pulled["selected"] == 2
    cluster.delete(*names)
    cluster.delete("fresh", kind="img")


def _takes_part(hypervisor: dict) -> bool:
    offer = hypervisor["status"].get("imagePeer", {})
    return "certificate" in hypervisor["spec"] and "port" in offer


def test_a_first_boot_from_the_cache_writes_next_to_nothing(cluster):
    """No copy of the image: an overlay with its tables, the seed, and what the guest itself writes."""
    seen = cluster.create("thin")
    cluster.booted(seen)
    directory = f"/var/lib/orlop/instances/{seen['metadata']['uid']}"
    written = int(
        cluster.on_node(seen["status"]["nodeName"], "du", "-s", "--block-size=1", directory).split()[0]
    )
    assert 0 < written < 2 << 20
