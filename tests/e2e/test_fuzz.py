"""Objects of every kind with values from their schemas, right and wrong, against API server, operator and agents.

ORLOP_FUZZ says for how many minutes (10 in `make soak`); without it, one round.
"""

import itertools
import os
import time

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orlop_api.definition import DEFINITIONS
from orlop_api.schema import structural
from orlop_cluster.lab import until
from support.door import door
from support.lab import Guests, basics
from support.manifests import CLUSTER_WIDE, SPECS, changed
from support.policies import OPERATOR
from support.rest import Rest
from support.structural import changes, values

MINUTES = float(os.environ.get("ORLOP_FUZZ", "0"))
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900 + MINUTES * 90)]
HOME = "fuzz"
EXAMPLES = 60
SCHEMAS = {d.kind: structural(d.model)["properties"]["spec"] for d in DEFINITIONS}
INNER = frozenset({"Assignment", "Claim", "Hypervisor"})
"""What the operator writes: forged in its name, to see what operator and agents make of it."""
TENANTS = sorted(set(SPECS) - CLUSTER_WIDE - INNER)
PLACES = {"Assignment": "orlop-assignments", "Claim": "orlop-system"}
BASES = {
    **SPECS,
    "Instance": {
        "flavorName": "tiny",
        "boot": {"imageRef": {"name": "tiny"}},
        "networks": [{"name": "eth0", "networkRef": {"name": "blue"}}],
    },
    "Volume": {"size": "1Mi", "className": "local"},
}
"""Right manifests that name what is there, so that some get far."""


class Fuzz:
    """What was made, and by whom."""

    def __init__(self, rest: Rest, workers: tuple[str, ...]) -> None:
        self.tenant, self.operator, self.workers = rest, rest.acting(OPERATOR), workers
        self.numbers = itertools.count()
        self.answers: dict[int, int] = {}

    def client(self, kind: str) -> Rest:
        return self.operator if kind in INNER else self.tenant

    def said(self, answer) -> bool:
        """Whether it was let in; a refusal is a sentence, and never the server's own fault."""
        self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
        assert answer.status < 500, answer.message
        assert answer.status < 400 or answer.message, answer
        return answer.status < 300

    def example(self, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from(sorted(SPECS)))
        schema = SCHEMAS[kind]
        mutated = changes(schema, BASES[kind])
        spec = data.draw(
            st.one_of(mutated, mutated, mutated.flatmap(lambda once: changes(schema, once)), values(schema))
        )
        if kind == "Hypervisor":
            self.order(data.draw(st.sampled_from(self.workers)), spec)
            return
        self.create(
            kind, spec, [data.draw(changes(schema, BASES[kind])) for _ in range(data.draw(st.integers(0, 2)))]
        )

    def order(self, worker: str, spec: object) -> None:
        """Forged orders to a node: imports, copies, whatever; never its certificate, which others need."""
        body = {"apiVersion": "orlop.dev/v1alpha1", "kind": "Hypervisor", "metadata": {"name": worker}}
        if isinstance(spec, dict):
            spec = {key: value for key, value in spec.items() if key != "certificate"}
        self.said(self.operator.patch(body, {"spec": spec}))

    def create(self, kind: str, spec: object, later: list) -> None:
        name = f"f-{next(self.numbers)}"
        uid = f"d2a84f5e-0000-4000-8000-{next(self.numbers):012x}"
        metadata = {"name": uid if kind == "Assignment" else name}
        if kind not in CLUSTER_WIDE:
            metadata["namespace"] = PLACES.get(kind, HOME)
        manifest = {"apiVersion": "orlop.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
        if kind == "Assignment" and isinstance(spec, dict) and isinstance(spec.get("instance"), dict):
            manifest = changed(manifest, {"spec.instance.uid": uid})
        client = self.client(kind)
        if not self.said(client.create(manifest)):
            return
        if kind == "Assignment":
            self.said(client.patch(manifest, {"spec": {"nodeName": self.workers[0], "epoch": 1}}))
        for another in later:
            self.said(client.patch(manifest, {"spec": another}))


@pytest.fixture(scope="module")
def fuzz(cluster, tmp_path_factory):
    made = basics(cluster, Guests(cluster.guests), HOME)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "fuzz", "namespace": HOME}}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "fuzz"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "fuzz", "namespace": HOME}],
    }
    cluster.apply(*made, account, binding)
    cluster.wait("img/tiny", namespace=HOME)
    token = cluster.kubectl("create", "token", "fuzz", "--namespace", HOME, "--duration=3h").strip()
    rest = Rest(door(cluster, tmp_path_factory.mktemp("fuzz"), token))
    yield Fuzz(rest, cluster.workers)
    rest.close()
    cluster.kubectl("delete", "clusterrolebinding", "fuzz")
    cluster.kubectl("delete", "namespace", HOME, "--timeout=180s", timeout=200)


def clean(cluster, fuzz: Fuzz) -> None:
    """Everything goes, when it is asked to; whoever is left is stuck."""
    kinds = ",".join(f"{kind}s" for kind in TENANTS)
    for worker in fuzz.workers:
        body = {"apiVersion": "orlop.dev/v1alpha1", "kind": "Hypervisor", "metadata": {"name": worker}}
        fuzz.said(fuzz.operator.patch(body, {"spec": {"imports": [], "storage": [], "prePulls": []}}))
    names = [
        name for name in cluster.kubectl("get", kinds, "-n", HOME, "-o", "name").split() if "/f-" in name
    ]
    wide = [
        name
        for name in cluster.kubectl("get", "flavors,volumeclasses", "-o", "name").split()
        if "/f-" in name
    ]
    # Nobody but the operator makes Claims, so it looks for such that nobody holds every five minutes only.
    claims = cluster.kubectl("get", "claims", "-n", "orlop-system", "-o", "name").split()
    if forged := [name for name in claims if "/f-" in name]:
        cluster.kubectl("delete", "-n", "orlop-system", "--ignore-not-found", *forged)
    if names:
        cluster.kubectl("delete", "-n", HOME, "--wait=false", *names)
    if wide:
        cluster.kubectl("delete", "--wait=false", *wide)

    def left() -> list[str]:
        own = cluster.kubectl("get", kinds, "-n", HOME, "-o", "name").split()
        inner = cluster.kubectl("get", "assignments,claims", "-A", "-o", "name").split()
        return [name for name in own if "/f-" in name] + [
            name for name in inner if "/f-" in name or "/d2a84f5e-0000-4000-8000-" in name
        ]

    until(left, lambda names: names == [], 240)


def restarts(cluster) -> dict[str, int]:
    pods = cluster.get("pods", namespace="orlop-system")["items"]
    return {
        pod["metadata"]["name"]: sum(
            each["restartCount"] for each in pod["status"].get("containerStatuses", [])
        )
        for pod in pods
    }


def tracebacks(cluster, since: float) -> list[str]:
    """Lines of operator and agents with one."""
    seconds = f"--since={int(time.time() - since) + 1}s"
    found = []
    for pod in restarts(cluster):
        said = cluster.kubectl("logs", "--namespace=orlop-system", pod, "--all-containers", seconds)
        found += [f"{pod}: {line}" for line in said.splitlines() if "Traceback" in line]
    return found


def test_nothing_breaks_and_nothing_stays(cluster, fuzz):
    before, begun = restarts(cluster), time.time()

    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def a_round(data: st.DataObject) -> None:
        fuzz.example(data)

    rounds = 0
    while True:
        rounds += 1
        fuzz.tenant.close()  # whoever was idle while it was cleaned up is cut off at any moment
        a_round()
        clean(cluster, fuzz)
        assert tracebacks(cluster, begun) == []
        if time.time() - begun >= MINUTES * 60:
            break
    print(f"\n{rounds} rounds in {time.time() - begun:.0f} s, answers by status: {fuzz.answers}")
    assert restarts(cluster) == before
    # Some of it must have been let in, and some refused: else this looked at little.
    assert sum(count for status, count in fuzz.answers.items() if status < 300) >= EXAMPLES // 10
    assert sum(count for status, count in fuzz.answers.items() if status >= 400) >= EXAMPLES // 10
    cluster.create("after-fuzz")
