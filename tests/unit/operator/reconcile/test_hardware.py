"""What an Instance asks for and what its Image requires, as one."""

import pytest

from orlop_api.hardware import Hardware
from orlop_api.requirements import Requirements
from orlop_operator.reconcile.instance.facts import Blocker
from orlop_operator.reconcile.instance.hardware import merged, need
from orlop_operator.scheduling import HardwareNeed

WHAT = "Image demo/a"


def both(asked: dict | None, required: dict | None) -> Hardware | Blocker | None:
    own = Hardware.model_validate(asked) if asked is not None else None
    needs = Requirements.model_validate(required) if required is not None else None
    return merged(own, needs, WHAT)


@pytest.mark.parametrize(
    ("asked", "required"),
    [(None, None), ({}, {}), ({"firmware": "BIOS"}, {"architecture": "x86_64"}), ({"cpu": {}}, None)],
)
def test_what_is_the_default_is_nothing(asked: dict | None, required: dict | None) -> None:
    assert both(asked, required) is None


@pytest.mark.parametrize(
    ("asked", "required", "made"),
    [
        ({"machineType": "q35"}, None, {"machineType": "q35"}),
        (None, {"machineType": "q35"}, {"machineType": "q35"}),
        ({"machineType": "pc-q35-7.2"}, {"machineType": "q35"}, {"machineType": "pc-q35-7.2"}),
        ({"machineType": "pc"}, {"machineType": "pc-i440fx-7.2"}, {"machineType": "pc-i440fx-7.2"}),
        ({"firmware": "UEFI"}, None, {"firmware": "UEFI", "machineType": "q35"}),
        (
            {"machineType": "pc-q35-7.2"},
            {"firmware": "UEFI"},
            {"firmware": "UEFI", "machineType": "pc-q35-7.2"},
        ),
        ({"tpm": "2.0"}, {"tpm": "2.0"}, {"tpm": "2.0"}),
        (
            {"cpu": {"model": "EPYC", "features": ["avx2"]}},
            {"cpuFeatures": ["aes", "avx2"]},
            {"cpu": {"model": "EPYC", "features": ["aes", "avx2"]}},
        ),
        (None, {"cpuFeatures": ["aes"]}, {"cpu": {"features": ["aes"]}}),
    ],
)
def test_both_are_heeded(asked: dict | None, required: dict | None, made: dict) -> None:
    assert both(asked, required) == Hardware.model_validate(made)


@pytest.mark.parametrize(
    ("asked", "required", "why"),
    [
        ({"firmware": "BIOS"}, {"firmware": "UEFI"}, "requires firmware UEFI, and spec.hardware says BIOS"),
        (
            {"machineType": "pc"},
            {"machineType": "q35"},
            "requires machineType q35, and spec.hardware says pc",
        ),
        (
            {"machineType": "pc-q35-7.1"},
            {"machineType": "pc-q35-7.2"},
            "requires machineType pc-q35-7.2, and spec.hardware says pc-q35-7.1",
        ),
        (
            {"firmware": "UEFI"},
            {"machineType": "pc"},
            "requires machineType pc, and spec.hardware says firmware UEFI, which needs q35",
        ),
        (
            {"machineType": "pc"},
            {"firmware": "UEFI"},
            "requires firmware UEFI, which needs machineType q35, and spec.hardware says pc",
        ),
    ],
)
def test_a_contradiction_is_told(asked: dict, required: dict, why: str) -> None:
    assert both(asked, required) == Blocker("HardwareMismatch", f"{WHAT} {why}")


def test_the_scheduler_is_asked_for_what_is_not_everywhere() -> None:
    asked = {"firmware": "UEFI", "tpm": "2.0", "cpu": {"model": "EPYC", "features": ["avx2", "aes"]}}
    made = both(asked, None)
    assert isinstance(made, Hardware)
    assert need(made) == HardwareNeed("q35", True, "2.0", "EPYC", ("aes", "avx2"))
    assert need(None) == HardwareNeed()
