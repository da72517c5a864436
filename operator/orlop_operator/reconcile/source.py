"""Where a node finds what a user named: the resolved form, and apart from it what lets one in. Pure."""

from __future__ import annotations

from orlop_api.image import Image, KernelFile
from orlop_api.imagesource import HttpSource, OciSource, S3Source
from orlop_api.source import (
    CA_KEY,
    PASSWORD_KEY,
    REGISTRIES_KEY,
    TOKEN_KEY,
    USERNAME_KEY,
    BucketLocation,
    FileSource,
    PublishedLocation,
    RegistryLocation,
    WebLocation,
)
from orlop_operator.reconcile.effects import Copied

_LOGIN = {USERNAME_KEY: "username", PASSWORD_KEY: "password", TOKEN_KEY: "token"}
_REGISTRY_LOGIN = {**_LOGIN, REGISTRIES_KEY: ".dockerconfigjson"}
_ACCESS_KEY = {USERNAME_KEY: "AWS_ACCESS_KEY_ID", PASSWORD_KEY: "AWS_SECRET_ACCESS_KEY"}
_SESSION = {TOKEN_KEY: "AWS_SESSION_TOKEN"}


def published(image: Image) -> bool:
    """Whether a node makes the file, and no server has it."""
    source = image.spec.source
    return source.volume_ref is not None or source.instance_ref is not None


def located(image: Image, *, pinned: bool = True) -> FileSource:
    """The disk's source as a node is told; of a registry what was pinned, once it was, or what its tag means now."""
    source = image.spec.source
    if published(image):
        if image.status is None or image.status.node_name is None:
            raise AssertionError(image.metadata.name)
        return FileSource(published=PublishedLocation(node_name=image.status.node_name))
    meant = image.status.reference if image.status and pinned else None
    match _given(image):
        case OciSource(reference=reference):
            return FileSource(oci=RegistryLocation(reference=meant or reference))
        case S3Source(endpoint=endpoint, bucket=bucket, key=key, region=region):
            return FileSource(s3=BucketLocation(endpoint=endpoint, bucket=bucket, key=key, region=region))
        case HttpSource(url=url, mirrors=mirrors):
            return FileSource(http=WebLocation(url=url, mirrors=mirrors))
    raise AssertionError(source)


def located_file(file: KernelFile) -> FileSource:
    """The source of a kernel or an initial RAM disk as a node is told."""
    if file.oci is not None:
        return FileSource(oci=RegistryLocation(**file.oci.model_dump()))
    if file.s3 is not None:
        return FileSource(s3=BucketLocation(**file.s3.model_dump()))
    if file.http is None:
        raise AssertionError("the API server takes no file without a source")
    return FileSource(http=WebLocation(**file.http.model_dump()))


def credentials(image: Image) -> tuple[Copied, ...]:
    """What the node needs from the user's Secrets to ask the source."""
    if published(image):
        return ()
    given = _given(image)
    parts: list[Copied] = []
    if given.credentials_secret_ref is not None:
        name = given.credentials_secret_ref.name
        match given:
            case HttpSource():
                parts += _copied(image, name, _LOGIN, optional=True)
            case OciSource():
                parts += _copied(image, name, _REGISTRY_LOGIN, optional=True)
            case S3Source():
                parts += _copied(image, name, _ACCESS_KEY, optional=False)
                parts += _copied(image, name, _SESSION, optional=True)
    if given.ca_bundle_secret_ref is not None:
        parts += _copied(image, given.ca_bundle_secret_ref.name, {CA_KEY: "ca.crt"}, optional=False)
    return tuple(parts)


def _given(image: Image) -> HttpSource | OciSource | S3Source:
    """The one that is set: the API server takes no Image with none or several, and published ones end before this."""
    source = image.spec.source
    given = source.http or source.oci or source.s3
    if given is None:
        raise AssertionError(image.metadata.name)
    return given


def _copied(image: Image, name: str, keys: dict[str, str], *, optional: bool) -> list[Copied]:
    namespace = image.metadata.namespace
    return [Copied(key, secret=(namespace, name, theirs), optional=optional) for key, theirs in keys.items()]
