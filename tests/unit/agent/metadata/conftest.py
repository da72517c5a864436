"""Guests as ordered."""

from collections.abc import Callable

import pytest

from orlop_agent.metadata.guest import Guest
from support.known import KEY, known_guest

Made = Callable[..., Guest]


@pytest.fixture
def guest() -> Guest:
    """Two NICs, one without DHCP; a key and user data."""
    return known_guest(
        "uid-1", "web-1", "10.10.0.20", user_data=b"#!/bin/sh\necho hi\n", keys=[("me", KEY)], second=True
    )
