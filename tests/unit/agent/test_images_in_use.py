"""Which cached files an order keeps on its node."""

from orlop_agent.agent import _digests
from orlop_api.assignment import AssignmentSpec

UID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def image(letter: str, **more: object) -> dict[str, object]:
    source = {"http": {"url": "https://mirror.example.org/disk"}}
    known = {"source": source, "digest": f"sha256:{letter * 64}", "format": "raw", "virtualSizeBytes": 512}
    return known | more


def test_it_keeps_its_image_and_what_its_volumes_begin_as():
    kernel = {
        "source": {"http": {"url": "https://mirror.example.org/kernel"}},
        "digest": f"sha256:{'b' * 64}",
    }
    location = {"local": {"node": "node-1"}}
    volume = {"name": "data", "volumeUID": UID, "location": location, "sizeBytes": 512}
    order = AssignmentSpec.model_validate(
        {
            "instance": {"namespace": "default", "name": "vm", "uid": UID},
            "vcpus": 1,
            "memoryBytes": 1 << 20,
            "rootDiskBytes": 1 << 20,
            "image": image("a", kernel=kernel),
            "volumes": [volume | {"origin": {"image": image("c")}}, volume | {"name": "empty"}],
        }
    )
    assert _digests(order) == {f"sha256:{letter * 64}" for letter in "abc"}
