"""A Quota for two guests: two run, the third says why, and goes on when there is room; a stop makes some."""

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
    cluster.delete("default", kind="oquota")


def waits(cluster, name):
    """It says why, and nothing of it is anywhere."""
    reason = "jsonpath={.status.conditions[?(@.type=='Ready')].reason}=QuotaExceeded"
    cluster.wait(f"inst/{name}", reason, NAMESPACE)
    seen = cluster.get("inst", name, NAMESPACE)
    assert seen["status"]["message"] == SAID
    assert f"orlop-{seen['metadata']['uid']}" not in cluster.all_domains()


def used(cluster):
    return cluster.get("oquota", "default", NAMESPACE)["status"]["used"]


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
    limits = json.dumps({"spec": {"limits": {"vcpus": 1}}})
    cluster.kubectl("patch", "oquota", "default", "--namespace", NAMESPACE, "--type=merge", "-p", limits)
    reason = "jsonpath={.status.conditions[?(@.type=='Ready')].reason}=OverLimit"
    cluster.wait("oquota/default", reason, NAMESPACE)
    assert cluster.answer(first)[0] == "first"
    limits = json.dumps({"spec": {"limits": {"vcpus": 3}}})
    cluster.kubectl("patch", "oquota", "default", "--namespace", NAMESPACE, "--type=merge", "-p", limits)
    cluster.wait("inst/fourth", namespace=NAMESPACE)
    assert used(cluster) == {"instances": 3, "vcpus": 3, "memory": "288Mi"}
