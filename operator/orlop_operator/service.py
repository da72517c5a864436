"""Kubernetes' own Service and EndpointSlice, as far as Orlop has to do with them. Pure."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orlop_api.resource import ApiModel, Metadata

SELECTOR = "orlop.dev/instance-selector"
"""Annotation of a Service: labels of the Instances that it leads to, as key=value,key=value."""


class ServicePort(ApiModel):
    """core/v1 ServicePort."""

    name: str = ""
    port: int
    protocol: str = "TCP"
    target_port: int | str | None = None


class ServiceSpec(ApiModel):
    """The part of core/v1 ServiceSpec that is looked at."""

    type: str = "ClusterIP"
    selector: dict[str, str] = {}
    ports: list[ServicePort] = []
    publish_not_ready_addresses: bool = False
    ip_families: Annotated[list[str], Field(alias="ipFamilies")] = []


class Service(ApiModel):
    """core/v1 Service."""

    metadata: Metadata = Metadata()
    spec: ServiceSpec = ServiceSpec()


def asks(service: Service) -> bool:
    """Whether it shall lead to Instances."""
    return SELECTOR in service.metadata.annotations


def selector(service: Service) -> dict[str, str]:
    """The labels of its Instances; ValueError says what is wrong with them."""
    text = service.metadata.annotations[SELECTOR]
    pairs = [part.partition("=") for part in text.replace(" ", "").split(",")]
    found = {key: value for key, _, value in pairs}
    if len(found) < len(pairs) or not all(key and sign for key, sign, _ in pairs):
        raise ValueError(f"{SELECTOR} is key=value,key=value with each key once, not {text[:100]!r}")
    return found
