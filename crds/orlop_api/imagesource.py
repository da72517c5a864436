"""Where an Image's disk comes from, as a user says it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orlop_api.resource import LIST_ATOMIC, ApiModel, HttpUrl, LocalRef, rule, rules
from orlop_api.source import Bucket, Endpoint, ObjectKey, Reference, Region

_NO_CREDENTIALS = rule("!self.matches('^[a-z]*://[^/?#]*@')", "must hold no credentials (user:password@)")
Url = Annotated[
    HttpUrl,
    Field(
        json_schema_extra=rules(
            rule(
                "self.matches('^https?://') && isURL(self) && url(self).getHostname() != ''",
                "must be http://host/… or https://host/…",
            ),
            _NO_CREDENTIALS,
        )
    ),
]

_CREDENTIALS_BY_HTTPS = "credentials go over https only"
HTTP_CREDENTIALS = rule(
    "!has(self.credentialsSecretRef) || self.url.startsWith('https://') &&"
    " (!has(self.mirrors) || self.mirrors.all(m, m.startsWith('https://')))",
    _CREDENTIALS_BY_HTTPS,
)
S3_CREDENTIALS = rule(
    "!has(self.credentialsSecretRef) || self.endpoint.startsWith('https://')", _CREDENTIALS_BY_HTTPS
)


class WebFile(ApiModel):
    """A file on web servers."""

    url: Url
    """Where the file is: https, or http with a checksum or signature."""
    mirrors: Annotated[list[Url], Field(max_length=8, json_schema_extra=LIST_ATOMIC)] = []
    """Where the same file is too: tried in this order when url fails, going on where it broke off."""


class HttpSource(WebFile):
    """A file on web servers, perhaps with a login."""

    credentials_secret_ref: LocalRef | None = None
    """A Secret with username and password, or token, for url and mirrors; https only. You must be allowed to get it."""
    ca_bundle_secret_ref: LocalRef | None = None
    """A Secret whose ca.crt is trusted instead of the public authorities. You must be allowed to get it."""


class RegistryFile(ApiModel):
    """The only layer of an artifact in a registry."""

    reference: Annotated[
        Reference,
        Field(
            json_schema_extra=rules(
                rule(
                    "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?/[a-z0-9]+([._/-]+[a-z0-9]+)*"
                    "(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$') &&"
                    " self.matches('/.*[:@]')",
                    "must be registry/repository with :tag or @sha256:…",
                )
            )
        ),
    ]
    """registry/repository:tag, or @sha256:…; what the tag means is pinned at the import. Always https. Of an index
    linux/amd64 is taken."""


class OciSource(RegistryFile):
    """An artifact or a container disk in a registry, perhaps with a login."""

    credentials_secret_ref: LocalRef | None = None
    """A Secret with username and password, token, or .dockerconfigjson. You must be allowed to get it."""
    ca_bundle_secret_ref: LocalRef | None = None
    """A Secret whose ca.crt is trusted instead of the public authorities. You must be allowed to get it."""


class BucketFile(ApiModel):
    """An object in an S3 bucket."""

    endpoint: Annotated[
        Endpoint,
        Field(
            json_schema_extra=rules(
                rule(
                    "self.matches('^https?://[^/?#]+/?$') && isURL(self)",
                    "must be https://host, or http://host with a checksum",
                ),
                _NO_CREDENTIALS,
            )
        ),
    ]
    """The server: https, or http with a checksum or signature. The bucket is put in the path."""
    bucket: Annotated[
        Bucket,
        Field(
            json_schema_extra=rules(
                rule(
                    "self.matches('^[a-z0-9][-.a-z0-9]*[a-z0-9]$')",
                    "must be a bucket's name: lower-case letters, digits, . and -",
                )
            )
        ),
    ]
    """The bucket."""
    key: Annotated[
        ObjectKey,
        Field(
            json_schema_extra=rules(
                rule(
                    "self.matches('^[^[:cntrl:]]+$') && !self.startsWith('/') && !self.matches('(^|/)[.][.]?(/|$)')",
                    "must be an object's name: no control characters, no / in front, and no . or .. between slashes",
                )
            )
        ),
    ]
    """The object."""
    region: Region = "us-east-1"
    """The region that requests are signed for."""


class S3Source(BucketFile):
    """An object in an S3 bucket, perhaps with a login."""

    credentials_secret_ref: LocalRef | None = None
    """A Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, perhaps AWS_SESSION_TOKEN; without it requests are not
    signed. You must be allowed to get it."""
    ca_bundle_secret_ref: LocalRef | None = None
    """A Secret whose ca.crt is trusted instead of the public authorities. You must be allowed to get it."""


class ImageSource(ApiModel):
    """Where the disk comes from: exactly one of these."""

    http: Annotated[HttpSource | None, Field(json_schema_extra=rules(HTTP_CREDENTIALS))] = None
    """A file on web servers."""
    oci: OciSource | None = None
    """An artifact, whose layer is the disk itself, or a container disk, which has it below disk/."""
    s3: Annotated[S3Source | None, Field(json_schema_extra=rules(S3_CREDENTIALS))] = None
    """An object in an S3 bucket."""
    volume_ref: LocalRef | None = None
    """What a Volume of this namespace holds, also while a guest writes to it: kept as qcow2 by the node that has it.
    You must be allowed to `use` it."""
    instance_ref: LocalRef | None = None
    """The root disk of an Instance of this namespace, once that is stopped: kept as qcow2 by its node. You must be
    allowed to `use` it."""


ONE_SOURCE = rule(
    "[has(self.http), has(self.oci), has(self.s3), has(self.volumeRef), has(self.instanceRef)]"
    ".exists_one(given, given)",
    "exactly one of http, oci, s3, volumeRef and instanceRef must be set",
)
