"""Where the search for a free address begins, as Claims come and go."""

from ipaddress import IPv4Address

import pytest

from orlop_api.claim import Claim
from orlop_operator.kinds import CLAIM
from orlop_operator.store import Store

NET = "4d3c2b1a"


def claim(name: str, kind: str, value: str) -> Claim:
    holder = {"kind": "Port", "namespace": "demo", "name": "web", "uid": "p"}
    return Claim.model_validate(
        {
            "metadata": {
                "namespace": "orlop-claims",
                "name": f"{NET}-{name}",
                "uid": name,
                "resourceVersion": "1",
            },
            "spec": {"type": kind, "value": value, "networkUID": NET, "holder": holder},
        }
    )


@pytest.mark.parametrize(
    ("name", "kind", "value", "begins"),
    [
        ("10.0.0.5", "Address", "10.0.0.5", "10.0.0.5"),
        ("10.0.0.20", "Address", "10.0.0.20", "10.0.0.9"),
        ("10.0.0.5", "Address", "½", "10.0.0.5"),
        ("½", "Address", "½", "10.0.0.9"),
        ("fd00--5", "Address", "fd00::5", "10.0.0.9"),
        ("02-00-00-00-00-05", "MAC", "02:00:00:00:00:05", "10.0.0.9"),
    ],
)
def test_a_freed_address_is_found_again_and_whatever_a_claim_says_can_go(
    name: str, kind: str, value: str, begins: str
) -> None:
    store = Store()
    for each in (claim(name, kind, value), claim("10.0.0.8", "Address", "10.0.0.8")):
        assert store.observe(CLAIM, each)
    store.claims_of_network(NET).filled(int(IPv4Address("10.0.0.9")))
    assert store.remove(CLAIM, "orlop-claims", f"{NET}-{name}", name)
    assert store.claims_of_network(NET).full_below == int(IPv4Address(begins))
