"""The real API server refuses what is wrong, at the right field and in our words."""

import hashlib

import pytest

from orlop_api.requester import Requester
from support.bad import Bad
from support.bad_aggregates import AGGREGATES
from support.bad_floating_ips import FLOATING_IPS
from support.bad_groups import CHANGED_GROUPS, GROUPS
from support.bad_hardware import HARDWARE
from support.bad_instance_groups import INSTANCE_GROUPS
from support.bad_instances import INSTANCES
from support.bad_kernels import KERNELS
from support.bad_keys import KEYS
from support.bad_limits import LIMITS
from support.bad_networks import NETWORKS
from support.bad_options import OPTIONS
from support.bad_placement import PLACEMENTS
from support.bad_quotas import QUOTAS
from support.bad_routers import ROUTERS
from support.bad_segments import SEGMENTS
from support.bad_sizes_and_images import SIZES_AND_IMAGES
from support.bad_sources import SOURCES
from support.bad_updates import CHANGED, UNKNOWN
from support.manifests import CLUSTER_WIDE, SPECS, Manifest, changed, right
from support.rest import Rest

pytestmark = [pytest.mark.component, pytest.mark.usefixtures("namespace")]
CREATED = [
    *SIZES_AND_IMAGES,
    *KERNELS,
    *SOURCES,
    *NETWORKS,
    *OPTIONS,
    *GROUPS,
    *LIMITS,
    *ROUTERS,
    *FLOATING_IPS,
    *SEGMENTS,
    *INSTANCES,
    *PLACEMENTS,
    *HARDWARE,
    *INSTANCE_GROUPS,
    *AGGREGATES,
    *KEYS,
    *QUOTAS,
]


@pytest.fixture(scope="module")
def namespace(rest: Rest) -> None:
    made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "api"}}
    assert rest.create(made).status in (201, 409)


def manifest_of(bad: Bad, administrator: Requester) -> Manifest:
    unique = hashlib.sha256(bad.name.encode()).hexdigest()[:10]
    made = right(bad.kind, f"{bad.kind.lower()}-{unique}")
    made["metadata"]["annotations"] = administrator.annotations()
    return made


def named(bad: Bad) -> str:
    return f"{bad.kind}: {bad.name}"


# An Assignment is made by the operator only: test_policies has the right one.
@pytest.mark.parametrize("kind", sorted(set(SPECS) - {"Assignment"}))
def test_what_the_mistakes_are_made_in_is_right(rest: Rest, administrator: Requester, kind: str) -> None:
    manifest = right(kind)
    manifest["metadata"]["annotations"] = administrator.annotations()
    answer = rest.create(manifest, dry_run=True)
    assert answer.status == 201, answer.message


@pytest.mark.parametrize("bad", CREATED, ids=named)
def test_refused_at_creation(rest: Rest, administrator: Requester, bad: Bad) -> None:
    answer = rest.create(changed(manifest_of(bad, administrator), bad.changes), dry_run=True)
    check(answer.status, answer.causes, answer.message, bad)


@pytest.mark.parametrize("bad", [*CHANGED, *CHANGED_GROUPS], ids=named)
def test_refused_at_update(rest: Rest, administrator: Requester, bad: Bad) -> None:
    manifest = changed(manifest_of(bad, administrator), bad.first)
    assert rest.create(manifest).status == 201
    try:
        spec = changed({"spec": manifest["spec"]}, bad.changes)
        answer = rest.patch(manifest, spec, dry_run=True)
        check(answer.status, answer.causes, answer.message, bad)
    finally:
        assert rest.delete(manifest).status == 200


@pytest.mark.parametrize("bad", UNKNOWN, ids=named)
def test_unknown_field(rest: Rest, administrator: Requester, bad: Bad) -> None:
    answer = rest.create(changed(manifest_of(bad, administrator), bad.changes), dry_run=True)
    assert answer.status == 400
    assert answer.message.endswith(f"strict decoding error: {bad.field}")


def check(status: int, causes: list[tuple[str, str]], message: str, bad: Bad) -> None:
    assert status == 422, message
    if bad.message is None:
        assert bad.field in [field for field, _ in causes], causes
    else:
        # One mistake, one sentence: a second rule that fires as well would only confuse.
        [(field, said)] = causes
        assert field == bad.field
        assert said.endswith(f": {bad.message}"), said


def test_there_are_enough() -> None:
    assert len([bad for bad in CREATED + CHANGED if bad.message]) >= 40
    assert {bad.kind for bad in CREATED} >= set(SPECS) - CLUSTER_WIDE - {"Hypervisor"}


def test_an_empty_list_and_none_are_the_same(rest: Rest, administrator: Requester) -> None:
    manifest = right("Instance", "no-volumes")
    manifest["metadata"]["annotations"] = administrator.annotations()
    assert rest.create(manifest).status == 201
    assert rest.patch(manifest, {"spec": {"volumes": []}}).status == 200
    assert rest.patch(manifest, {"spec": {"volumes": None}}).status == 200
    assert rest.patch(manifest, {"spec": {"powerState": "Stopped"}}).status == 200
    assert rest.delete(manifest).status == 200


def test_volumes_come_and_go(rest: Rest, administrator: Requester) -> None:
    manifest = right("Instance", "volumes-change")
    manifest["metadata"]["annotations"] = administrator.annotations()
    assert rest.create(manifest).status == 201
    try:
        one, two = ({"name": name, "volumeRef": {"name": name}} for name in ("one", "two"))
        for listed in ([one], [two, one], [one], [{**one, "name": "another"}], [], None):
            answer = rest.patch(manifest, {"spec": {"volumes": listed}})
            assert answer.status == 200, answer.message
    finally:
        assert rest.delete(manifest).status == 200


def test_what_guests_may_be_told(rest: Rest) -> None:
    options = {
        "domain": "lab.example", "search": ["example.org", "corp"], "ntp": ["192.0.2.1", "10.10.0.9"],
        "routes": [
            {"destination": destination, "via": "10.10.0.9"}
            for destination in ("10.0.0.0/8", "192.0.2.7/32", "169.254.169.254/32", "10.10.1.0/24")
        ],
    }  # fmt: skip
    changes = {f"spec.subnets.0.{name}": value for name, value in options.items()}
    answer = rest.create(changed(right("Network", "options"), changes), dry_run=True)
    assert answer.status == 201, answer.message


@pytest.mark.parametrize(
    ("gateway", "pools"),
    [
        ("10.10.0.1", []),
        ("10.10.255.254", [("10.10.0.1", "10.10.0.1"), ("10.10.0.2", "10.10.255.253")]),
        ("10.10.1.0", [("10.10.2.0", "10.10.9.255"), ("10.10.10.0", "10.10.10.9")]),
        # A pool may hold the gateway: it is skipped.
        ("10.10.0.5", [("10.10.0.1", "10.10.0.9")]),
    ],
)
def test_addresses_compare_as_numbers(rest: Rest, gateway: str, pools: list[tuple[str, str]]) -> None:
    manifest = changed(
        right("Network", "numbers"),
        {
            "spec.subnets.0.cidr": "10.10.0.0/16",
            "spec.subnets.0.gateway": gateway,
            "spec.subnets.0.pools": [{"start": start, "end": end} for start, end in pools],
        },
    )
    answer = rest.create(manifest, dry_run=True)
    assert answer.status == 201, answer.message
