"""NICs as the operator orders them."""

from collections.abc import Callable

import pytest

from orlop_agent.network.segment import Attachment
from orlop_api.assignment import AssignedNic

Attach = Callable[..., Attachment]


@pytest.fixture
def attach() -> Attach:
    def made(address: str = "10.10.0.20", uid: str = "uid-1", hostname: str = "web-1", **fields: object):
        usual = {
            "name": "eth0", "port_name": "port", "network_uid": "net", "segment_id": 4097,
            "mac_address": "02:00:10:01:00:14", "addresses": [address], "cidr": "10.10.0.0/24",
            "gateway": "10.10.0.1", "mtu": 1450,
        }  # fmt: skip
        return Attachment.of(uid, hostname, AssignedNic.model_validate(usual | fields))

    return made
