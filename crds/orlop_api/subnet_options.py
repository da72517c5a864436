"""What guests of a subnet are told beside their address, and how the API server checks it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orlop_api.resource import rule, rules

DEFAULT_DOMAIN = "orlop.internal"
"""Domain of names within a Network that gives none: `internal` is kept free for private use (ICANN, 2024)."""
DOMAIN_PATTERN = "([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])*[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
"""RFC 1123, section 2.1; the last label is none of an address."""
DOMAIN_LENGTH = 125
"""An Instance's name and a namespace of 63 characters each go before it, and a name has at most 253 (RFC 1035)."""
_TAKEN = "(.*[.])?(arpa|localhost)"

DOMAIN = (
    rule(
        f"self.matches('^{DOMAIN_PATTERN}$')",
        "must be a DNS domain in lower case, without a dot at its end, for example lab.example",
    ),
    rule(
        f"!self.matches('^{_TAKEN}$')",
        "must be a domain whose names can be given: arpa and localhost mean something else",
    ),
)

Domain = Annotated[str, Field(min_length=1, max_length=DOMAIN_LENGTH, json_schema_extra=rules(*DOMAIN))]
"""As users write it."""
AssignedDomain = Annotated[str, Field(min_length=1, max_length=DOMAIN_LENGTH)]
"""As it was checked before; the node looks once more."""
