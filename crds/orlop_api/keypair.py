"""KeyPair: a public key that Instances let in, as Nova's; the private one stays with its owner."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orlop_api.condition import Conditions
from orlop_api.resource import API_VERSION, ApiModel, DnsSubdomain, Metadata, rule, rules
from orlop_api.ssh import PUBLIC_KEY

KEY_LENGTH = 4096
"""Characters: an RSA key of 16384 bits has 2756."""
MOST_KEY_PAIRS = 4
"""That one Instance may name."""


class KeyPairSpec(ApiModel):
    """The key."""

    public_key: Annotated[str, Field(max_length=KEY_LENGTH, json_schema_extra=rules(*PUBLIC_KEY))]
    """The public key in one line, as in a .pub file: ssh-ed25519, ssh-rsa (2048 bits and more), ecdsa-sha2-nistp256,
    -384 or -521, or one of these in a security key (sk-…). Never a private key."""


class KeyPairStatus(ApiModel):
    """The key as it was read; operator only."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this status is about."""
    type: Annotated[str, Field(max_length=64)] | None = None
    """Type of the key."""
    fingerprint: Annotated[str, Field(max_length=64)] | None = None
    """SHA256:…, as ssh-keygen -l prints it."""
    conditions: Conditions = []
    """Ready: the key is one."""


class KeyPair(ApiModel):
    """A public SSH key, for Instances that name it to let its owner in."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["KeyPair"] = "KeyPair"
    metadata: Metadata = Metadata()
    spec: Annotated[
        KeyPairSpec,
        Field(json_schema_extra=rules(rule("self == oldSelf", "spec is immutable: create another KeyPair"))),
    ]
    """The key."""
    status: KeyPairStatus | None = None
    """The key as it was read."""


class AssignedKey(ApiModel):
    """A public key that the guest lets in."""

    name: DnsSubdomain
    """The KeyPair that it came from."""
    public_key: Annotated[str, Field(max_length=KEY_LENGTH)]
    """One line, as in a .pub file."""
