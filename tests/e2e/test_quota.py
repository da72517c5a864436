"""A Quota for two guests: two run, the third says why, and goes on when there is room; a stop makes some.

And a guest's Volume comes, and grows, as far as there is room.
"""

import json

import pytest

from support.lab import NAMESPACE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SAID = "Quota default: 2 of 2 vcpus used, 1 asked"


@pytest.fixture
def quota(cluster):
    spec = {"limits": {"instances": 3, "vcpus": 2, "memory": "1Gi"}, "stoppedInstances": "Free"}
    cluster.apply(cluster.object("Quota", "default", spec))
    cluster.wait("oquota/default", namespace=NAMESPACE)
    yield
    cluster.kubectl("delete", "inst", "--all", "--namespace", NAMESPACE, "--timeout=180s", timeout=200)
    cluster.kubectl("delete", "ovol", "counted", "--namespace", NAMESPACE, "--ignore-not-found", timeout=60)
    cluster.delete("default", kind="oquota")


def waits(cluster, name):
    """It says why, and nothing of it is anywhere."""
    cluster.wait(f"inst/{name}", because("Ready", "QuotaExceeded"), NAMESPACE)
    seen = cluster.get("inst", name, NAMESPACE)
    assert seen["status"]["message"] == SAID
    assert f"orlop-{seen['metadata']['uid']}" not in cluster.all_domains()


def limit(cluster, **most):
    limits = json.dumps({"spec": {"limits": most}})
    cluster.kubectl("patch", "oquota", "default", "--namespace", NAMESPACE, "--type=merge", "-p", limits)


def because(kind, wanted):
    """How kubectl waits for the reason of a condition."""
    return f"jsonpath={{.status.conditions[?(@.type=='{kind}')].reason}}={wanted}"


def used(cluster):
    found = cluster.get("oquota", "default", NAMESPACE)["status"]["used"]
    return {name: found[name] for name in ("instances", "vcpus", "memory")}


def test_guests_run_as_far_as_the_quota_goes(cluster, quota):
    names = ("first", "second", "third")
    for name in names[:2]:
        cluster.create(name)
    cluster.apply(cluster.instance("third"))
    waits(cluster, "third")
    assert used(cluster) == {"instances": 2, "vcpus": 2, "memory": "192Mi"}
    cluster.booted(cluster.get("inst", "second", NAMESPACE))

    # A guest is stopped: what it had is the third one's.
    cluster.patch("first", {"powerState": "Stopped"})
    cluster.wait("inst/third", namespace=NAMESPACE)
    third = cluster.get("inst", "third", NAMESPACE)
    cluster.booted(third)
    assert cluster.answer(third)[0] == "third"
    assert used(cluster) == {"instances": 3, "vcpus": 2, "memory": "192Mi"}

    # It shall run again, and waits until another one has gone.
    cluster.patch("first", {"powerState": "Running"})
    waits(cluster, "first")
    cluster.delete("second")
    cluster.wait("inst/first", namespace=NAMESPACE)
    first = cluster.get("inst", "first", NAMESPACE)
    cluster.booted(first, marks=2)
    assert cluster.answer(first)[0] == "first"
    assert cluster.answer(third)[0] == "third", "it ran all the time"

    # A lower limit ends nothing; a higher one lets nobody wait longer than he must.
    cluster.apply(cluster.instance("fourth"))
    waits(cluster, "fourth")
    limit(cluster, vcpus=1)
    cluster.wait("oquota/default", because("Ready", "OverLimit"), NAMESPACE)
    assert cluster.answer(first)[0] == "first"
    limit(cluster, vcpus=3)
    cluster.wait("inst/fourth", namespace=NAMESPACE)
    assert used(cluster) == {"instances": 3, "vcpus": 3, "memory": "288Mi"}

    # A Volume beyond it has no data and is at no guest; what a guest has grows as far as there is room.
    limit(cluster, storage="64Mi")
    cluster.apply(cluster.object("Volume", "counted", {"size": "96Mi", "className": "local"}))
    cluster.wait("ovol/counted", because("QuotaReserved", "QuotaExceeded"), NAMESPACE)
    cluster.patch("third", {"volumes": [{"name": "data", "volumeRef": {"name": "counted"}}]})
    cluster.wait("inst/third", because("VolumesReady", "QuotaExceeded"), NAMESPACE)
    limit(cluster, storage="100Mi")
    cluster.wait("inst/third", namespace=NAMESPACE)
    grown = json.dumps({"spec": {"size": "128Mi"}})
    cluster.kubectl("patch", "ovol", "counted", "--namespace", NAMESPACE, "--type=merge", "-p", grown)
    cluster.wait("ovol/counted", because("Resizing", "QuotaExceeded"), NAMESPACE)
    assert cluster.get("ovol", "counted", NAMESPACE)["status"]["capacityBytes"] == 96 << 20
    limit(cluster, storage="1Gi")
    cluster.wait("ovol/counted", f"jsonpath={{.status.capacityBytes}}={128 << 20}", NAMESPACE)
    assert cluster.get("oquota", "default", NAMESPACE)["status"]["used"]["storage"] == "128Mi"
    assert cluster.answer(third)[0] == "third"
