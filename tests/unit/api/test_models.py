"""The models as programs use them."""

from datetime import UTC, datetime, timedelta

from orlop_api.assignment import Assignment, AssignmentStatus, State
from orlop_api.condition import Condition, Truth, is_true, merged
from orlop_api.definition import DEFINITIONS
from orlop_api.instance import Instance
from orlop_api.resource import to_wire_name
from support.manifests import SPECS, right

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_wire_names_have_acronyms() -> None:
    assert to_wire_name("boot_id") == "bootID"
    assert to_wire_name("network_uid") == "networkUID"
    assert to_wire_name("underlay_mtu") == "underlayMTU"
    assert to_wire_name("restarted_at") == "restartedAt"
    assert to_wire_name("dns") == "dns"


def test_every_kind_reads_its_smallest_manifest_and_writes_it_back() -> None:
    assert {d.kind for d in DEFINITIONS} == set(SPECS)
    for definition in DEFINITIONS:
        manifest = right(definition.kind)
        model = definition.model.model_validate(manifest)
        again = definition.model.model_validate(model.wire())
        assert again == model
        assert (
            model.wire()["spec"].items()
            >= {key: value for key, value in manifest["spec"].items() if isinstance(value, str | int)}.items()
        )


def test_a_newer_field_is_no_error() -> None:
    manifest = right("Instance")
    manifest["spec"]["invented"] = {"later": True}
    assert Instance.model_validate(manifest).spec.flavor_name == "small"


def test_an_answer_is_written_by_its_wire_names() -> None:
    status = AssignmentStatus(epoch=3, state=State.STARTING, boot_id="b", start_id="s")
    assert status.wire() | {"epoch": 3, "state": "Starting", "bootID": "b", "startID": "s"} == status.wire()
    assert Assignment.model_validate(right("Assignment")).status is None


def condition(status: Truth, message: str = "") -> Condition:
    return Condition(type="Ready", status=status, reason="Because", message=message)


def test_a_transition_time_stays_while_the_status_does() -> None:
    first = merged([], [condition(Truth.FALSE)], NOON)
    later = merged(first, [condition(Truth.FALSE, "still not")], NOON + timedelta(hours=1))
    assert [c.last_transition_time for c in later] == ["2026-01-01T12:00:00Z"]
    assert later[0].message == "still not"
    turned = merged(later, [condition(Truth.TRUE)], NOON + timedelta(hours=2))
    assert [c.last_transition_time for c in turned] == ["2026-01-01T14:00:00Z"]
    assert is_true(turned, "Ready")
    assert not is_true(turned, "Scheduled")
