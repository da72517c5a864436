"""Names, sizes and images that must be refused."""

from __future__ import annotations

from support.bad import Bad
from support.manifests import ABSENT

MEMORY = "must be a quantity from 64Mi to 16Ti, for example 512Mi"
ROOT_DISK = "must be a quantity from 1Mi to 64Ti, for example 5Gi"
ONE_SOURCE = "exactly one of imageRef, snapshotRef and volumeRef must be set"
SIZE = "must be a quantity from 1Mi to 64Ti, for example 10Gi"
URL = "must be http://host/… or https://host/…"
CREDENTIALS = "must hold no credentials (user:password@)"
CHECKSUM = "must be sha256: and 64 hex digits, or sha512: and 128, in lower case"
PLAIN_HTTP = "a plain http url needs a checksum (sha256:… or sha512:…) or a signature; without one use https"
HOST_NAME = "metadata.name must be a host name: at most 63 of a-z, 0-9 and -, without - at either end"

RAW = (
    "multiAttach Enabled is for raw data: drivers nbd and iscsi, and local and shared with format raw; two writers"
    " would tear a qcow2"
)
EACH = (
    "must hold {uid}, or {namespace} and then {name} with one of / _ : + between them: else two Volumes could get"
    " the same export"
)
FIELDS = "may hold {namespace}, {name} and {uid}, and no other braces"
_NEEDS = {name: f"driver {name} needs its parameters in {name}" for name in ("shared", "nbd", "iscsi", "rbd")}


def _shared(pool: str) -> dict[str, object]:
    return {"driver": "shared", "shared": {"pool": pool}}


ACCOUNT = "account and credentialsSecretRef need each other"
IQN = "must be an iSCSI name: iqn.<year>-<month>.<reversed domain>:<text>, in lower case"


def _iscsi(**parameters: object) -> dict[str, object]:
    return {"driver": "iscsi", "iscsi": {"host": "192.0.2.8", **parameters}}


def _rbd(**parameters: object) -> dict[str, object]:
    return {"driver": "rbd", "rbd": {"monitors": [{"host": "ceph-1"}], "pool": "vms", **parameters}}


def _nbd(export: str) -> dict[str, object]:
    return {"driver": "nbd", "nbd": {"host": "nbd.example.org", "exportName": export}}


REFRESH = "must be a duration from 1m to 8760h, for example 24h"


def _following(interval: str) -> dict[str, object]:
    return {"source": {"http": {"url": "https://mirror.example.org/disk"}}, "refresh": {"interval": interval}}


LIMIT = "at least one of iopsPerSecond and bytesPerSecond must be set"
RATE = "must be a quantity from 1Ki to 1Ti, for example 50Mi"
SIZES_AND_IMAGES = [
    # Names
    Bad("upper case and _", "Instance", {"metadata.name": "VM_1"}, "metadata.name"),
    Bad("64 characters", "Instance", {"metadata.name": "a" * 64}, "<nil>", HOST_NAME),
    Bad("a dot in a host name", "Instance", {"metadata.name": "web.example"}, "<nil>", HOST_NAME),
    Bad("letters beyond ASCII", "Instance", {"metadata.name": "пример"}, "metadata.name"),
    Bad("path as a name", "Volume", {"metadata.name": "../../etc"}, "metadata.name"),
    # Flavor
    Bad("no vcpus", "Flavor", {"spec.vcpus": 0}, "spec.vcpus"),
    Bad("negative vcpus", "Flavor", {"spec.vcpus": -1}, "spec.vcpus"),
    Bad("too many vcpus", "Flavor", {"spec.vcpus": 100000}, "spec.vcpus"),
    Bad("half a vcpu", "Flavor", {"spec.vcpus": 2.5}, "spec.vcpus"),
    Bad("vcpus as text", "Flavor", {"spec.vcpus": "2"}, "spec.vcpus"),
    Bad("no memory given", "Flavor", {"spec.memory": ABSENT}, "spec.memory"),
    Bad("memory of 0", "Flavor", {"spec.memory": "0"}, "spec.memory", MEMORY),
    Bad("negative memory", "Flavor", {"spec.memory": "-1Gi"}, "spec.memory", MEMORY),
    Bad("lower-case unit", "Flavor", {"spec.memory": "4gb"}, "spec.memory", MEMORY),
    Bad("a space before the unit", "Flavor", {"spec.memory": "4 Gi"}, "spec.memory", MEMORY),
    Bad("Gib", "Flavor", {"spec.memory": "4Gib"}, "spec.memory", MEMORY),
    Bad("milli-bytes", "Flavor", {"spec.memory": "536870912000m"}, "spec.memory", MEMORY),
    Bad("an exponent", "Flavor", {"spec.memory": "1e9"}, "spec.memory", MEMORY),
    Bad("512 bytes for 512Mi", "Flavor", {"spec.memory": "512"}, "spec.memory", MEMORY),
    Bad("M for Mi below the least", "Flavor", {"spec.memory": "64M"}, "spec.memory", MEMORY),
    Bad("2^63 bytes", "Flavor", {"spec.memory": "9223372036854775808"}, "spec.memory", MEMORY),
    Bad("memory as a number", "Flavor", {"spec.memory": 512}, "spec.memory"),
    Bad("root disk of 0", "Flavor", {"spec.rootDisk": "0Gi"}, "spec.rootDisk", ROOT_DISK),
    Bad("root disk too large", "Flavor", {"spec.rootDisk": "65Ti"}, "spec.rootDisk", ROOT_DISK),
    # VolumeClass and Volume
    Bad("unknown driver", "VolumeClass", {"spec.driver": "zfs"}, "spec.driver"),
    *(
        Bad(f"driver {name} without parameters", "VolumeClass", {"spec": {"driver": name}}, "spec", needs)
        for name, needs in _NEEDS.items()
    ),
    Bad(
        "parameters of another driver",
        "VolumeClass",
        {"spec": {"driver": "local", "shared": {"pool": "nfs-a"}}},
        "spec",
        "shared is for driver shared only",
    ),
    Bad(
        "tables of a raw file",
        "VolumeClass",
        {"spec.local": {"format": "raw", "preallocation": "Metadata"}},
        "spec.local",
        "preallocation Metadata needs format qcow2; raw takes Off, Falloc or Full",
    ),
    *(
        Bad(f"several writers of a qcow2 of driver {driver}", "VolumeClass", {"spec": spec}, "spec", RAW)
        for driver, spec in (
            ("local", {"driver": "local", "multiAttach": "Enabled"}),
            ("shared", _shared("nfs") | {"multiAttach": "Enabled"}),
        )
    ),
    Bad(
        "multi-attach as a boolean",
        "VolumeClass",
        {"spec": {"driver": "local", "multiAttach": True}},
        "spec.multiAttach",
    ),
    Bad("a pool as a path", "VolumeClass", {"spec": _shared("../etc")}, "spec.shared.pool"),
    Bad("an export for all", "VolumeClass", {"spec": _nbd("vol")}, "spec.nbd.exportName", EACH),
    Bad("exports by name", "VolumeClass", {"spec": _nbd("{name}")}, "spec.nbd.exportName", EACH),
    Bad(
        "exports that two names share",
        "VolumeClass",
        {"spec": _nbd("{namespace}-{name}")},
        "spec.nbd.exportName",
        EACH,
    ),
    Bad("an unknown field", "VolumeClass", {"spec": _nbd("{uid}{x}")}, "spec.nbd.exportName", FIELDS),
    Bad("an attribute", "VolumeClass", {"spec": _nbd("{uid.__class__}{uid}")}, "spec.nbd.exportName", FIELDS),
    Bad(
        "an account without its secret",
        "VolumeClass",
        {"spec": _iscsi(account="orlop")},
        "spec.iscsi",
        ACCOUNT,
    ),
    Bad(
        "no iSCSI name",
        "VolumeClass",
        {"spec": _iscsi(targetName="disk-{uid}")},
        "spec.iscsi.targetName",
        IQN,
    ),
    Bad(
        "targets that share",
        "VolumeClass",
        {"spec": _iscsi(targetName="iqn.2026-01.dev.orlop:a")},
        "spec.iscsi.targetName",
        EACH,
    ),
    Bad(
        "the LUN that tgt keeps",
        "VolumeClass",
        {"spec": _iscsi(lun=0, tgt={"hypervisorName": "node-1"})},
        "spec.iscsi",
        "tgt keeps LUN 0 for itself: lun must be from 1 to 255",
    ),
    Bad("Ceph without monitors", "VolumeClass", {"spec": _rbd(monitors=[])}, "spec.rbd.monitors"),
    Bad("a pool with a path", "VolumeClass", {"spec": _rbd(pool="vms/a")}, "spec.rbd.pool"),
    Bad(
        "a Ceph user without a key",
        "VolumeClass",
        {"spec": _rbd(user="orlop")},
        "spec.rbd",
        "user and credentialsSecretRef need each other",
    ),
    Bad(
        "images that share a name",
        "VolumeClass",
        {"spec": _rbd(imageName="volume-{name}")},
        "spec.rbd.imageName",
        "must hold {uid} once, and beside it only . - _ letters and digits",
    ),
    Bad(
        "a host with a path",
        "VolumeClass",
        {"spec": {"driver": "nbd", "nbd": {"host": "a/b"}}},
        "spec.nbd.host",
    ),
    Bad("size of 0", "Volume", {"spec.size": "0"}, "spec.size", SIZE),
    Bad("negative size", "Volume", {"spec.size": "-10Gi"}, "spec.size", SIZE),
    Bad("size too large", "Volume", {"spec.size": "1000Ti"}, "spec.size", SIZE),
    Bad("an endless size", "Volume", {"spec.size": "1" * 21}, "spec.size"),
    Bad("limits on nothing", "Volume", {"spec.qos": {}}, "spec.qos", LIMIT),
    Bad("limit of 0", "Volume", {"spec.qos": {"iopsPerSecond": 0}}, "spec.qos.iopsPerSecond"),
    Bad("half a byte", "Volume", {"spec.qos": {"bytesPerSecond": "500m"}}, "spec.qos.bytesPerSecond", RATE),
    Bad(
        "a burst of nothing",
        "Volume",
        {"spec.qos": {"iopsPerSecond": 10, "burst": {"seconds": 5}}},
        "spec.qos",
        "at least one of burst.iopsPerSecond and burst.bytesPerSecond must be set",
    ),
    Bad(
        "a burst below its limit",
        "Volume",
        {"spec.qos": {"iopsPerSecond": 10, "burst": {"iopsPerSecond": 9}}},
        "spec.qos",
        "burst.iopsPerSecond needs iopsPerSecond, and must be at least as much",
    ),
    Bad(
        "a burst without its limit",
        "Volume",
        {"spec.qos": {"iopsPerSecond": 10, "burst": {"bytesPerSecond": "1Mi"}}},
        "spec.qos",
        "burst.bytesPerSecond needs bytesPerSecond, and must be at least as much",
    ),
    Bad("no class", "Volume", {"spec.className": ABSENT}, "spec.className"),
    Bad("class with a slash", "Volume", {"spec.className": "a/b"}, "spec.className"),
    Bad(
        "a source of two kinds",
        "Volume",
        {"spec.source": {"volumeRef": {"name": "a"}, "snapshotRef": {"name": "b"}}},
        "spec.source",
        ONE_SOURCE,
    ),
    Bad("a source of none", "Volume", {"spec.source": {}}, "spec.source", ONE_SOURCE),
    Bad("no volume to keep", "VolumeSnapshot", {"spec.volumeRef": ABSENT}, "spec.volumeRef"),
    Bad("unknown way to quiesce", "VolumeSnapshot", {"spec.quiesce": "Maybe"}, "spec.quiesce"),
    Bad("unknown reclaim policy", "Volume", {"spec.reclaimPolicy": "Recycle"}, "spec.reclaimPolicy"),
    # Image
    *(
        Bad(f"refresh every {said!r}", "Image", {"spec": _following(said)}, "spec.refresh.interval", REFRESH)
        for said in ("", "5", "30s", "1d", "-1h", "9999h", "1h30m", "0.5h")
    ),
    Bad(
        "to follow a checksum",
        "Image",
        {"spec": {**_following("1h"), "checksum": "sha256:" + "a" * 64}},
        "spec",
        "an Image with a checksum never changes: leave out either refresh or checksum",
    ),
    Bad(
        "labels of nowhere",
        "Image",
        {"spec.prePull": {"nodeSelector": {"a b": "c"}}},
        "spec.prePull.nodeSelector",
    ),
    Bad("no source", "Image", {"spec.source": ABSENT}, "spec.source"),
    Bad("a file", "Image", {"spec.source.http.url": "file:///etc/shadow"}, "spec.source.http.url", URL),
    Bad("ftp", "Image", {"spec.source.http.url": "ftp://example.org/a"}, "spec.source.http.url", URL),
    Bad("no scheme", "Image", {"spec.source.http.url": "example.org/a"}, "spec.source.http.url", URL),
    Bad("no host", "Image", {"spec.source.http.url": "https:///a.qcow2"}, "spec.source.http.url", URL),
    Bad("a space", "Image", {"spec.source.http.url": "https://a b/c"}, "spec.source.http.url", URL),
    Bad(
        "credentials",
        "Image",
        {"spec.source.http.url": "https://me:pw@example.org/a"},
        "spec.source.http.url",
        CREDENTIALS,
    ),
    Bad("url too long", "Image", {"spec.source.http.url": "https://a/" + "b" * 2048}, "spec.source.http.url"),
    Bad("http, no checksum", "Image", {"spec.source.http.url": "http://a.example/b"}, "spec", PLAIN_HTTP),
    Bad("short checksum", "Image", {"spec.checksum": "sha256:abc"}, "spec.checksum", CHECKSUM),
    Bad("md5", "Image", {"spec.checksum": "md5:" + "a" * 32}, "spec.checksum", CHECKSUM),
    Bad("no algorithm", "Image", {"spec.checksum": "a" * 64}, "spec.checksum", CHECKSUM),
    Bad("upper case", "Image", {"spec.checksum": "sha256:" + "A" * 64}, "spec.checksum", CHECKSUM),
    Bad("sha512 of 64 digits", "Image", {"spec.checksum": "sha512:" + "a" * 64}, "spec.checksum", CHECKSUM),
    Bad("qed", "Image", {"spec.format": "qed"}, "spec.format"),
    Bad(
        "milli-bytes of memory",
        "Image",
        {"spec.requirements": {"minMemory": "100m"}},
        "spec.requirements.minMemory",
        "must be a quantity from 1Mi to 16Ti, for example 256Mi",
    ),
    Bad(
        "architecture",
        "Image",
        {"spec.requirements": {"architecture": "vax"}},
        "spec.requirements.architecture",
    ),
]
