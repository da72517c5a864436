"""What an Image's source asks for, and who may hand it on."""

import secrets

import pytest

from orlop_api.requester import Requester
from support.manifests import Manifest, changed, right
from support.orders import done
from support.policies import denial
from support.rest import Rest, User
from support.rights import Right, bind, grant, wait_for

pytestmark = pytest.mark.component


@pytest.fixture(scope="module")
def home(admin: Rest) -> str:
    name = f"home-{secrets.token_hex(3)}"
    done(admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
    return name


@pytest.mark.parametrize("field", ["credentialsSecretRef", "caBundleSecretRef"])
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("http", {"url": "https://mirror.example.org/a.qcow2"}),
        ("oci", {"reference": "registry.example.org/disks/debian:12"}),
        ("s3", {"endpoint": "https://s3.example.org", "bucket": "images", "key": "a.qcow2"}),
    ],
)
def test_an_images_secrets_are_for_those_who_may_get_them(
    admin: Rest, home: str, kind: str, fields: dict[str, str], field: str
) -> None:
    erin = f"erin-{secrets.token_hex(3)}"
    grant(admin, home, erin, Right("create", "images"))
    secret = f"login-{secrets.token_hex(3)}"
    made = right("Image", f"disk-{secrets.token_hex(3)}", home)
    plain = changed(made, {"spec.source": {kind: fields}})
    named = changed(made, {"spec.source": {kind: {**fields, field: {"name": secret}}}})
    rest = admin.acting(User(erin))
    done(rest.create(plain, dry_run=True))
    assert denial(rest.create(named)) == f"you may not get secrets {home}/{secret}"
    grant(admin, home, erin, Right("get", "secrets", group="", name=secret))
    done(rest.create(named))


def test_who_has_a_login_used_again_may_get_it_too(admin: Rest, home: str) -> None:
    """An edit does not borrow the right of whoever made the Image; to end it nobody needs one."""
    erin = f"erin-{secrets.token_hex(3)}"
    rest = admin.acting(User(erin))
    grant(admin, home, erin, Right("patch", "images"))
    secret = f"login-{secrets.token_hex(3)}"
    source = {"http": {"url": "https://mirror.example.org/a.qcow2", "credentialsSecretRef": {"name": secret}}}
    made = changed(right("Image", f"disk-{secrets.token_hex(3)}", home), {"spec.source": source})
    done(admin.create(made))
    refused = f"you may not get secrets {home}/{secret}"
    assert denial(rest.patch(made, {"spec": {"refresh": {"interval": "1h"}}})) == refused
    assert denial(rest.patch(made, {"spec": {"prePull": {}}})) == refused
    done(admin.patch(made, {"spec": {"refresh": {"interval": "1h"}}}))
    assert denial(rest.patch(made, {"spec": {"refresh": {"interval": "1m"}}})) == refused
    done(rest.patch(made, {"metadata": {"labels": {"seen": "true"}}}))
    done(rest.patch(made, {"spec": {"refresh": None}}))
    grant(admin, home, erin, Right("get", "secrets", group="", name=secret))
    done(rest.patch(made, {"spec": {"refresh": {"interval": "1h"}}}))


def recorded(user: str) -> dict[str, str]:
    """As the webhook records a user without groups; the API server adds that of everybody who is logged in."""
    return Requester(user, "", ("system:authenticated",)).annotations()


@pytest.mark.parametrize(
    ("kind", "edit"), [("Image", {"refresh": {"interval": "1h"}}), ("Volume", {"size": "20Gi"})]
)
def test_an_image_or_volume_keeps_whoever_made_it(admin: Rest, home: str, kind: str, edit: Manifest) -> None:
    alice, bob = (f"{name}-{secrets.token_hex(3)}" for name in ("alice", "bob"))
    for user in (alice, bob):
        bind(admin, home, "orlop-editor", user, Right("patch", f"{kind.lower()}s"))
    wait_for(admin, alice, Right("use", "volumeclasses"))
    manifest = right(kind, f"made-{secrets.token_hex(3)}", home)
    bare = changed(manifest, {"metadata.name": f"bare-{secrets.token_hex(3)}"})
    done(admin.acting(User(alice)).create(bare))
    manifest["metadata"]["annotations"] = recorded(bob)
    assert denial(admin.acting(User(alice)).create(manifest)).endswith(f"who writes spec, {alice}, not {bob}")
    manifest["metadata"]["annotations"] = recorded(alice)
    done(admin.acting(User(alice)).create(manifest))
    never = "the annotations orlop.dev/requested-by… name the user who created it, and never change"
    lie = {"annotations": recorded(bob)}
    assert denial(admin.acting(User(bob)).patch(manifest, {"metadata": lie, "spec": edit})) == never
    assert denial(admin.acting(User(bob)).patch(bare, {"metadata": lie})) == never
    forgotten = {"annotations": dict.fromkeys(recorded(bob))}
    assert denial(admin.acting(User(alice)).patch(manifest, {"metadata": forgotten})) == never
    done(admin.acting(User(bob)).patch(manifest, {"spec": edit}))
