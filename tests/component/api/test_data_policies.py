"""Who may have data copied: what a Volume begins as, what a VolumeSnapshot keeps, and what is published."""

import secrets
from typing import Any

import pytest

from support.manifests import changed, right
from support.orders import done
from support.policies import denial
from support.rest import Rest, User
from support.rights import Right, grant

pytestmark = pytest.mark.component


@pytest.fixture(scope="module")
def home(admin: Rest) -> str:
    """A namespace."""
    name = f"data-{secrets.token_hex(3)}"
    done(admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
    return name


@pytest.mark.parametrize(
    ("kind", "spec", "used"),
    [
        ("VolumeSnapshot", {}, "volumes.orlop.dev {home}/data"),
        ("Volume", {"spec.source": {"imageRef": {"name": "a"}}}, "images.orlop.dev {home}/a"),
        (
            "Volume",
            {"spec.source": {"imageRef": {"name": "a", "namespace": "kube-system"}}},
            "images.orlop.dev kube-system/a",
        ),
        ("Volume", {"spec.source": {"snapshotRef": {"name": "b"}}}, "volumesnapshots.orlop.dev {home}/b"),
        ("Volume", {"spec.source": {"volumeRef": {"name": "c"}}}, "volumes.orlop.dev {home}/c"),
        ("Volume", {"spec.encryption": {"secretRef": {"name": "d", "key": "k"}}}, "secrets {home}/d"),
        ("Image", {"spec": {"source": {"volumeRef": {"name": "d"}}}}, "volumes.orlop.dev {home}/d"),
        ("Image", {"spec": {"source": {"instanceRef": {"name": "e"}}}}, "instances.orlop.dev {home}/e"),
    ],
)
def test_data_is_copied_only_by_who_may_use_it(
    admin: Rest, home: str, kind: str, spec: dict[str, Any], used: str
) -> None:
    name = f"erin-{secrets.token_hex(3)}"
    erin = admin.acting(User(name))
    grant(admin, home, name, Right("create", f"{kind.lower()}s"))
    manifest = changed(right(kind, f"p-{secrets.token_hex(3)}", home), spec)
    verb = "get" if used.startswith("secrets") else "use"
    assert denial(erin.create(manifest)) == f"you may not {verb} {used.format(home=home)}"
    plural, where = used.format(home=home).split(" ")
    namespace, named = where.split("/")
    group = "orlop.dev" if plural.endswith(".orlop.dev") else ""
    grant(admin, namespace, name, Right(verb, plural.removesuffix(".orlop.dev"), named, group))
    done(erin.create(manifest))


def test_a_volume_is_put_back_only_to_what_one_may_use(admin: Rest, home: str) -> None:
    name = f"erin-{secrets.token_hex(3)}"
    erin = admin.acting(User(name))
    manifest = right("Volume", f"p-{secrets.token_hex(3)}", home)
    done(admin.create(manifest))
    grant(admin, home, name, Right("patch", "volumes"))
    back = {"spec": {"restore": {"snapshotRef": {"name": "monday"}, "requestedAt": "1"}}}
    assert denial(erin.patch(manifest, back)) == f"you may not use volumesnapshots.orlop.dev {home}/monday"
    grant(admin, home, name, Right("use", "volumesnapshots", "monday"))
    done(erin.patch(manifest, back))
    back["spec"]["restore"]["snapshotRef"]["name"] = "tuesday"
    assert denial(erin.patch(manifest, back)) == f"you may not use volumesnapshots.orlop.dev {home}/tuesday"
    done(erin.patch(manifest, {"spec": {"size": "11Gi"}}))
    done(erin.patch(manifest, {"spec": {"restore": None}}))
