"""Which of the platform's Secrets opens an iSCSI target: as it is written on the Volume."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from orlop_api.instance import Instance, VolumeMount
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeClass
from orlop_operator.reconcile.effects import Copied
from orlop_operator.reconcile.instance.assign import secret_parts
from orlop_operator.reconcile.instance.facts import DiskFacts, Facts

UNIT = {"host": "192.0.2.8", "port": 3260, "target": "iqn.2026-01.dev.orlop:u", "lun": 1}
INSTANCE = Instance.model_validate(
    {
        "metadata": {"name": "web", "namespace": "demo", "uid": "i"},
        "spec": {"flavorName": "small", "boot": {"imageRef": {"name": "a"}}},
    }
)


def copied(location: dict[str, Any] | None, secret: str | None) -> list[Copied]:
    account = {"account": "orlop", "credentialsSecretRef": {"name": secret}} if secret else {}
    kept = {"driver": "iscsi", "iscsi": {"host": "192.0.2.9"} | account}
    volume = {
        "metadata": {"namespace": "demo", "name": "data", "uid": "u"},
        "spec": {"size": "1Gi", "className": "san"},
        "status": {"location": location and {"iscsi": UNIT | location}},
    }
    disk = DiskFacts(
        VolumeMount.model_validate({"name": "d", "volumeRef": {"name": "data"}}),
        Volume.model_validate(volume),
        VolumeClass.model_validate({"metadata": {"name": "san"}, "spec": kept}),
    )
    return list(secret_parts(Facts(INSTANCE, datetime(2026, 5, 1, tzinfo=UTC), disks=(disk,))))


@pytest.mark.parametrize(
    ("location", "today", "name"),
    [
        (None, "new", "new"),
        ({"account": "orlop", "credentials": "old"}, "new", "old"),
        ({"account": "orlop", "credentials": "old"}, None, "old"),
        ({"account": "orlop"}, "new", "new"),
        ({}, "new", None),
        (None, None, None),
    ],
)
def test_what_was_written_counts_and_not_what_the_class_says_today(
    location: dict[str, Any] | None, today: str | None, name: str | None
) -> None:
    wanted = [] if name is None else [Copied("chap-u", None, ("orlop-system", name, "password"))]
    assert copied(location, today) == wanted
