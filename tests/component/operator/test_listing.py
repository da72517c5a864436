"""A list brings what its watch would tell of, and no more."""

import kopf
import yaml

from orlop_operator import cluster as module
from orlop_operator.cluster import connected
from orlop_operator.credentials import connection
from orlop_operator.kinds import LEASE
from orlop_operator.listing import take_over
from orlop_operator.store import Store

OTHERS = {"kube-node-lease", "kube-system"}


def leases(cloud, namespace, count):
    for n in range(count):
        metadata = {"namespace": namespace, "name": f"listed-{n}"}
        body = {"apiVersion": LEASE.api_version, "kind": "Lease", "metadata": metadata, "spec": {}}
        cloud.kubectl("create", "-f", "-", stdin=yaml.safe_dump(body))


async def test_leases_of_kubelets_are_not_listed(cloud, kubeconfig, monkeypatch):
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setattr(module, "PAGE", 2)
    for namespace in ("default", *OTHERS):
        leases(cloud, namespace, 3)
    store = Store()
    async with connected(lambda: connection(kopf.OperatorSettings())) as cluster:
        await take_over(cluster, store, LEASE)
    found = {(lease.metadata.namespace, lease.metadata.name) for lease in store.all(LEASE)}
    assert {("default", f"listed-{n}") for n in range(3)} <= found
    assert not OTHERS & {namespace for namespace, _ in found}
