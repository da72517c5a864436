"""What docs/howto/python-client.md promises: the official Python client drives an Instance from create to gone."""

import pytest

from kubernetes import client, config, watch
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e
KIND = {"group": "orlop.dev", "version": "v1alpha1", "namespace": NAMESPACE, "plural": "instances"}


def until(api, thing, good):
    """The first change after this state of the object that is good: (type of the event, object)."""
    meta = thing["metadata"]
    changes = watch.Watch().stream(
        api.list_namespaced_custom_object,
        **KIND,
        field_selector=f"metadata.name={meta['name']}",
        resource_version=meta["resourceVersion"],
        timeout_seconds=60,
    )
    return next((event["type"], event["object"]) for event in changes if good(event))


def is_ready(event):
    thing = event["object"]
    conditions = thing.get("status", {}).get("conditions", [])
    return any(
        c["type"] == "Ready" and c["status"] == "True"
        and c.get("observedGeneration") == thing["metadata"]["generation"]
        for c in conditions
    )  # fmt: skip


def test_create_watch_and_delete(cluster):
    with config.new_client_from_config(str(cluster.kubeconfig)) as connection:
        api = client.CustomObjectsApi(connection)
        made = api.create_namespaced_custom_object(**KIND, body=cluster.instance("scripted"))
        _, seen = until(api, made, is_ready)
        assert seen["status"]["addresses"][0]["ip"].startswith("10.20.0.")
        assert seen["status"]["nodeName"] in cluster.workers
        api.delete_namespaced_custom_object(**KIND, name="scripted")
        kind, _ = until(api, seen, lambda event: event["type"] == "DELETED")
        assert kind == "DELETED"
        with pytest.raises(client.ApiException, match="404"):
            api.get_namespaced_custom_object(**KIND, name="scripted")
