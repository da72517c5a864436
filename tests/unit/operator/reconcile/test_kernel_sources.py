"""Where a node is told to find a kernel or an initial RAM disk: as the user said it, whatever of three kinds it is."""

import pytest

from orlop_api.image import KernelFile
from orlop_operator.reconcile.source import located_file

WEB = {"url": "https://a.example/vmlinuz", "mirrors": ["https://b.example/vmlinuz"]}
OBJECT = {"endpoint": "https://s3.example", "bucket": "boot", "key": "vmlinuz", "region": "eu-central-1"}


@pytest.mark.parametrize(
    "said", [{"http": WEB}, {"oci": {"reference": "r.example/boot/linux:6.1"}}, {"s3": OBJECT}], ids=str
)
def test_a_source_is_told_as_it_is_said(said):
    located = located_file(KernelFile.model_validate(said))
    assert located.model_dump(by_alias=True, exclude_none=True) == said


def test_what_the_api_server_never_takes_is_no_source():
    with pytest.raises(AssertionError):
        located_file(KernelFile())
