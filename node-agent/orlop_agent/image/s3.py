"""Objects in S3 buckets: obstore signs, the agent asks.

obstore's own connections go wherever a name resolves to. Its signature (Signature Version 4 in the query) is
worth as much in a request of the agent's own, which goes to a vetted address, and may be resumed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from orlop_agent.image.credentials import Credentials
from orlop_agent.image.errors import ImageError
from orlop_agent.image.web import Ask
from orlop_api.source import BucketLocation

if TYPE_CHECKING:
    from obstore.store import S3Config

_LASTS = timedelta(hours=1)
"""How long a signature lets a request begin; what has begun goes on."""


def shown(location: BucketLocation) -> str:
    """How messages name the object."""
    return f"s3://{location.bucket}/{location.key} at {location.endpoint}"


def request(location: BucketLocation, credentials: Credentials) -> Ask:
    """The request for the object, its bucket in the path; unsigned where there are no credentials."""
    path = quote(f"/{location.bucket}/{location.key}", safe="/-_.~")
    if not credentials.username:
        return Ask(location.endpoint.rstrip("/") + path, shown(location))
    # Large, and most nodes never sign.
    import obstore  # noqa: PLC0415
    from obstore.exceptions import BaseError  # noqa: PLC0415
    from obstore.store import S3Store  # noqa: PLC0415

    config: S3Config = {
        "endpoint": location.endpoint.rstrip("/"),
        "region": location.region,
        "access_key_id": credentials.username,
        "secret_access_key": credentials.password,
        "virtual_hosted_style_request": False,
    }
    if credentials.token:
        config["session_token"] = credentials.token
    try:
        store = S3Store(location.bucket, config=config)
        return Ask(obstore.sign(store, "GET", location.key, _LASTS), shown(location))
    except (BaseError, ValueError) as error:
        raise ImageError(
            "BadCredentials", f"no request for {shown(location)} can be signed", permanent=False
        ) from error
