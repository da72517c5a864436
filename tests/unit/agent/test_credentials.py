"""What opens the data of Volumes: in the hypervisor's hands, and in this node's own, and nowhere else."""

from __future__ import annotations

import base64

import pytest

from orlop_agent.api.errors import NotFoundError, UnavailableError
from orlop_agent.credentials import Credentials
from orlop_agent.failure import StepError
from orlop_agent.simulate import SimulatedHypervisor
from orlop_agent.volume.operand import secret_objects
from orlop_api.assignment import AssignedSecret
from orlop_api.volume_class import VolumeLocation

KEY = "AQAzewhra33pKBAA2I8pFiZnxgF96PQ8EgCWlw=="
WHERE = {"monitors": [{"host": "ceph-1"}], "pool": "vms", "imageName": "orlop-{uid}", "user": "orlop"}
LOCATION = VolumeLocation.model_validate({"rbd": WHERE | {"credentials": "ceph"}})
SECRET = AssignedSecret(namespace="node", name="it", keys=["ceph-ceph"])


class Api:
    """The node's Secrets."""

    def __init__(self, answer: dict[str, str] | Exception) -> None:
        self.answer = answer

    async def secret(self, namespace: str, name: str) -> dict[str, str]:
        if isinstance(self.answer, Exception):
            raise self.answer
        assert (namespace, name) == ("node", "it")
        return self.answer


def holding(text: str) -> dict[str, str]:
    return {"ceph-ceph": base64.b64encode(text.encode()).decode()}


async def test_a_ceph_key_is_libvirt_s_as_bytes_and_ours_as_ceph_says_it():
    hypervisor = SimulatedHypervisor()
    known = Credentials(Api(holding(KEY + "\n")), hypervisor)
    with pytest.raises(StepError) as early:
        known.ceph("ceph")
    assert early.value.reason == "CredentialsMissing"
    await known.have("v-1", LOCATION, SECRET)
    assert known.ceph("ceph") == KEY
    assert hypervisor.secrets == {"orlop-ceph-ceph": base64.b64decode(KEY)}


async def test_a_key_that_was_replaced_is_the_new_one_with_the_next_order():
    api, hypervisor = Api(holding(KEY)), SimulatedHypervisor()
    known = Credentials(api, hypervisor)
    await known.have("v-1", LOCATION, SECRET)
    api.answer = holding("AAAA")
    await known.have("v-2", LOCATION, SECRET)
    assert known.ceph("ceph") == "AAAA"
    assert hypervisor.secrets == {"orlop-ceph-ceph": bytes(3)}


@pytest.mark.parametrize(
    ("answer", "secret", "reason"),
    [
        (holding(KEY), None, "CredentialsMissing"),
        (NotFoundError("it"), SECRET, "CredentialsMissing"),
        (UnavailableError("later"), SECRET, "CredentialsMissing"),
        ({}, SECRET, "CredentialsMissing"),
        (holding("[client.orlop] key = x"), SECRET, "CredentialsDamaged"),
    ],
)
async def test_what_is_wrong_with_a_key_names_the_platform_s_secret(
    answer: dict[str, str] | Exception, secret: AssignedSecret | None, reason: str
):
    with pytest.raises(StepError) as error:
        await Credentials(Api(answer), SimulatedHypervisor()).have("v-1", LOCATION, secret)
    assert error.value.reason == reason
    assert "orlop-system/ceph" in error.value.message


async def test_data_without_credentials_asks_for_none():
    known = Credentials(Api(AssertionError("not asked")), SimulatedHypervisor())
    for location in (None, VolumeLocation.model_validate({"local": {}})):
        await known.have("v-1", location, None)
    await known.have("v-1", VolumeLocation.model_validate({"rbd": WHERE}), None)


def test_qemu_reads_a_key_from_a_file_that_has_no_name():
    with secret_objects({"orlop-ceph-ceph": KEY}) as (options, files):
        assert options == ["--object", f"secret,id=orlop-ceph-ceph,format=base64,file=/dev/fd/{files[0]}"]
        with open(f"/dev/fd/{files[0]}") as file:  # noqa: PTH123 - as QEMU does
            assert file.read() == KEY
    with secret_objects({}) as (options, files):
        assert (options, files) == ([], [])
