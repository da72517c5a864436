"""Hardware of Instances, and of what Images require, that must be refused."""

from __future__ import annotations

from support.bad import Bad

NEEDS_Q35 = "with firmware UEFI machineType must be q35 or a version of it, for example pc-q35-7.2; it may be left out"
HARDWARE = [
    Bad(
        "a board without room for the devices",
        "Instance",
        {"spec.hardware": {"machineType": "microvm"}},
        "spec.hardware.machineType",
    ),
    Bad(
        "a board that breaks out",
        "Instance",
        {"spec.hardware": {"machineType": "pc-q35-7.2' accel='kvm"}},
        "spec.hardware.machineType",
    ),
    Bad("coreboot", "Instance", {"spec.hardware": {"firmware": "coreboot"}}, "spec.hardware.firmware"),
    Bad("an old TPM", "Instance", {"spec.hardware": {"tpm": "1.2"}}, "spec.hardware.tpm"),
    Bad(
        "UEFI on pc",
        "Instance",
        {"spec.hardware": {"machineType": "pc", "firmware": "UEFI"}},
        "spec.hardware",
        NEEDS_Q35,
    ),
    Bad(
        "UEFI on a version of pc",
        "Image",
        {"spec.requirements": {"machineType": "pc-i440fx-7.2", "firmware": "UEFI"}},
        "spec.requirements",
        NEEDS_Q35,
    ),
    Bad(
        "a model of two words",
        "Instance",
        {"spec.hardware": {"cpu": {"model": "Skylake Server"}}},
        "spec.hardware.cpu.model",
    ),
    Bad(
        "a feature with its sign",
        "Instance",
        {"spec.hardware": {"cpu": {"features": ["+avx2"]}}},
        "spec.hardware.cpu.features[0]",
    ),
    Bad(
        "a feature twice",
        "Instance",
        {"spec.hardware": {"cpu": {"features": ["avx2", "avx2"]}}},
        "spec.hardware.cpu.features[1]",
    ),
    Bad(
        "too many features",
        "Image",
        {"spec.requirements": {"cpuFeatures": [f"f{number}" for number in range(33)]}},
        "spec.requirements.cpuFeatures",
    ),
]
