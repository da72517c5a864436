"""What admission adds, as a change from one object to the next."""

import json

import pytest

from orlop_operator.admission.advice import advice
from orlop_operator.admission.creation import at_creation
from orlop_operator.admission.update import at_update

ALICE = {"username": "alice", "uid": "7", "groups": ["b,c", "a"]}
RECORDED = {
    "orlop.dev/requested-by": "alice",
    "orlop.dev/requested-by-uid": "7",
    "orlop.dev/requested-by-groups": '["a","b,c"]',
}
SPEC = {"networks": [{"name": "eth0"}]}


def instance(annotations: dict[str, str] | None = None, spec: dict | None = None) -> dict:
    metadata = {} if annotations is None else {"annotations": annotations}
    return {"metadata": metadata, "spec": SPEC if spec is None else spec}


@pytest.mark.parametrize("plural", ["instances", "networks", "ports", "volumes"])
@pytest.mark.parametrize(
    ("had", "gets"),
    [
        (None, ("orlop.dev/operator",)),
        (["mine"], ("mine", "orlop.dev/operator")),
        (["orlop.dev/operator"], None),
    ],
)
def test_every_kind_gets_the_finalizer_once(plural: str, had: list | None, gets: tuple | None) -> None:
    body = {"metadata": {"finalizers": had} if had else {}, "spec": SPEC}
    assert at_creation(plural, body, ALICE).finalizers == gets


def test_an_instance_records_who_asked_whatever_it_claims() -> None:
    forged = instance({"orlop.dev/requested-by": "root"})
    assert at_creation("instances", forged, ALICE).annotations == RECORDED


@pytest.mark.parametrize("plural", ["images", "volumes"])
def test_images_and_volumes_record_who_made_them(plural: str) -> None:
    forged = instance({"orlop.dev/requested-by": "root"})
    change = at_creation(plural, forged, ALICE)
    assert change.annotations == RECORDED
    assert change.warnings == ()


def test_an_image_has_nothing_to_finalize() -> None:
    assert at_creation("images", instance(), ALICE).finalizers is None


def test_other_kinds_record_nobody() -> None:
    assert at_creation("networks", instance(), ALICE).annotations == {}
    assert at_update("networks", instance(RECORDED), instance(), ALICE).annotations == {}


@pytest.mark.parametrize("plural", ["images", "volumes"])
def test_no_edit_of_an_image_or_a_volume_changes_who_made_it(plural: str) -> None:
    """Neither by somebody with more rights, who would lend them, nor by somebody with fewer."""
    old, bob = instance(RECORDED), {"username": "bob"}
    edited = instance(RECORDED, {**SPEC, "refresh": {"interval": "1h"}})
    assert at_update(plural, old, edited, bob).annotations == {}
    replaced = instance(spec={**SPEC, "size": "2Gi"})
    assert at_update(plural, old, replaced, bob).annotations == RECORDED
    claimed = instance({**RECORDED, "orlop.dev/requested-by": "bob"})
    assert at_update(plural, old, claimed, bob).annotations == {"orlop.dev/requested-by": "alice"}


def test_a_change_of_spec_has_a_new_requester() -> None:
    old = instance({**RECORDED, "orlop.dev/requested-by": "bob"})
    new = instance({**RECORDED, "orlop.dev/requested-by": "bob"}, {**SPEC, "powerState": "Stopped"})
    assert at_update("instances", old, new, ALICE).annotations == {"orlop.dev/requested-by": "alice"}


def test_any_other_update_keeps_the_requester() -> None:
    old, bob = instance({**RECORDED, "x": "1"}), {"username": "bob"}
    assert at_update("instances", old, old, bob).annotations == {}
    assert at_update("instances", old, instance(), bob).annotations == RECORDED
    claimed = instance({**RECORDED, "orlop.dev/requested-by": "bob"})
    assert at_update("instances", old, claimed, bob).annotations == {"orlop.dev/requested-by": "alice"}


def test_what_was_never_recorded_cannot_be_added_later() -> None:
    change = at_update("instances", instance(), instance(RECORDED), ALICE)
    assert change.annotations == dict.fromkeys(RECORDED)


@pytest.mark.parametrize(
    "inline",
    [
        "password: x",
        "users:\n- passwd: $6$x",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "chpasswd:\n  Password: y",
    ],
)
def test_a_secret_in_plain_user_data_is_pointed_out(inline: str) -> None:
    [said] = advice({**SPEC, "userData": {"inline": inline}})
    assert "spec.userData.secretRef" in said


def test_nothing_to_say_about_an_ordinary_machine() -> None:
    assert advice({**SPEC, "userData": {"inline": "#!/bin/sh\npassword_file=/x\n"}}) == ()
    assert advice(json.loads('{"networks": []}')) != ()


@pytest.mark.parametrize("spec", ["../../etc/passwd", 3, None, ["x"], {**SPEC, "userData": "x"}])
def test_what_the_schema_will_refuse_is_left_to_it(spec: object) -> None:
    assert advice(spec) == ()
    user = {"username": "alice", "groups": []}
    old = {"metadata": {"name": "web"}, "spec": SPEC}
    assert at_update("instances", old, {"metadata": {"name": "web"}, "spec": spec}, user).warnings == ()
    assert at_creation("instances", {"metadata": {"name": "web"}, "spec": spec}, user).warnings == ()


@pytest.mark.parametrize("plural", ["instances", "networks", "ports", "volumes"])
def test_a_replace_that_leaves_the_finalizer_out_keeps_it(plural: str) -> None:
    old = instance(RECORDED)
    old["metadata"]["finalizers"] = ["mine", "orlop.dev/operator"]
    new = instance(RECORDED)
    assert at_update(plural, old, new, ALICE).finalizers == ("orlop.dev/operator",)
    assert at_update(plural, old, old, ALICE).finalizers is None


def test_of_what_is_being_deleted_the_finalizer_may_go() -> None:
    old = instance(RECORDED)
    old["metadata"] |= {"finalizers": ["orlop.dev/operator"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert at_update("ports", old, instance(), ALICE).finalizers is None
