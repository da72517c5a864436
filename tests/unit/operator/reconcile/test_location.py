"""Where the data of a Volume is: from its class once, then from the Volume itself."""

from typing import Any

import pytest

from orlop_api.hypervisor import Hypervisor
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeClass
from orlop_operator.reconcile.location import carrier, locate, maker, needed_pool
from orlop_operator.scheduling import PoolNeed

UID = "7e7e"


def volume(location: dict[str, Any] | None = None) -> Volume:
    return Volume.model_validate(
        {
            "metadata": {"namespace": "demo", "name": "data", "uid": UID},
            "spec": {"size": "1Gi", "className": "any"},
            "status": {"location": location},
        }
    )


def kept_by(driver: str, **parameters: Any) -> VolumeClass:
    return VolumeClass.model_validate({"spec": {"driver": driver, driver: parameters}})


def host(name: str, *, ready: bool = True, orders: list[str] | None = None, **pools: str) -> Hypervisor:
    condition = {"type": "Ready", "status": "True" if ready else "Unknown", "reason": "AgentAlive"}
    deletes = [{"uid": uid, "action": "Delete", "location": {}} for uid in orders or []]
    return Hypervisor.model_validate(
        {
            "metadata": {"name": name},
            "spec": {"storage": deletes},
            "status": {
                "conditions": [condition],
                "sharedPools": [{"name": pool, "poolID": pool_id} for pool, pool_id in pools.items()],
            },
        }
    )


@pytest.mark.parametrize(
    ("kept", "wire"),
    [
        (kept_by("local", format="raw"), {"local": {"format": "raw", "preallocation": "Off"}}),
        (
            kept_by("nbd", host="nbd.example.org", exportName="{namespace}/{name}"),
            {"nbd": {"host": "nbd.example.org", "port": 10809, "export": "demo/data"}},
        ),
        (
            kept_by("shared", pool="nfsa"),
            {"shared": {"pool": "nfsa", "poolID": "p-1", "format": "qcow2", "preallocation": "Off"}},
        ),
        (
            kept_by("iscsi", host="192.0.2.8", account="orlop", credentialsSecretRef={"name": "san"}),
            {
                "iscsi": {
                    "host": "192.0.2.8",
                    "port": 3260,
                    "target": f"iqn.2026-01.dev.orlop:{UID}",
                    "lun": 1,
                    "account": "orlop",
                    "credentials": "san",
                }
            },
        ),
        (
            kept_by(
                "rbd",
                monitors=[{"host": "ceph-1.example.org"}],
                pool="vms",
                user="orlop",
                credentialsSecretRef={"name": "ceph"},
            ),
            {
                "rbd": {
                    "monitors": [{"host": "ceph-1.example.org", "port": 3300}],
                    "pool": "vms",
                    "imageName": "orlop-{uid}",
                    "user": "orlop",
                    "credentials": "ceph",
                }
            },
        ),
    ],
)
def test_the_class_is_resolved(kept: VolumeClass, wire: dict[str, Any]) -> None:
    where = locate(volume(), kept, host("a", nfsa="p-1"))
    assert where is not None
    assert where.wire() == wire
    assert where.driver is kept.spec.driver


def test_what_is_written_on_the_volume_holds() -> None:
    known = volume({"local": {"format": "raw", "preallocation": "Off"}})
    where = locate(known, kept_by("shared", pool="nfsa"), host("a"))
    assert where is not None
    assert where.local is not None
    assert needed_pool(known, kept_by("shared", pool="nfsa")) is None


def test_a_node_without_the_pool_has_no_way_to_the_data() -> None:
    kept, known = kept_by("shared", pool="nfsa"), volume({"shared": {"pool": "nfsa", "poolID": "p-1"}})
    assert locate(volume(), kept, host("a")) is None
    assert locate(known, kept, host("a", nfsa="p-2")) is None
    assert locate(known, kept, host("a", nfsa="p-1")) is not None
    assert needed_pool(volume(), kept) == PoolNeed("nfsa")
    assert needed_pool(known, kept) == PoolNeed("nfsa", "p-1")


def test_work_in_a_pool_is_one_node_s_that_is_ready_and_stays_with_it() -> None:
    known = volume({"shared": {"pool": "nfsa", "poolID": "p-1"}})
    hosts = [
        host("d", nfsa="p-1", orders=[UID]),
        host("c", nfsa="p-1"),
        host("b", nfsa="p-2"),
        host("a", ready=False, nfsa="p-1", orders=[UID]),
    ]

    def chosen(among: list[Hypervisor]) -> str | None:
        found = carrier(known, among)
        return found.metadata.name if found is not None else None

    assert chosen(hosts) == "d"
    assert chosen(hosts[1:]) == "c"
    assert chosen(hosts[2:]) is None


def test_work_in_a_ceph_pool_is_any_node_s_that_is_ready() -> None:
    where = {"monitors": [{"host": "ceph-1", "port": 3300}], "pool": "vms", "imageName": "orlop-{uid}"}
    known = volume({"rbd": where})
    found = carrier(known, [host("a", ready=False), host("c"), host("b"), host("d", orders=[UID])])
    assert found is not None
    assert found.metadata.name == "d"
    assert maker(known, None) is None


def test_only_targets_of_tgt_are_made_early() -> None:
    unit = {"host": "192.0.2.8"}
    assert maker(volume(), kept_by("iscsi", **unit)) is None
    assert maker(volume(), kept_by("iscsi", **unit, tgt={"hypervisorName": "node-1"})) == "node-1"
    assert maker(volume(), kept_by("local")) is None
