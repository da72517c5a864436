"""The ConfigMap `orlop-config`: what the platform team decides for its nodes; the agents read it.

It is one YAML document under the key `config.yaml`, mounted as a file; absent means every default.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field

from orlop_api.duration import Duration
from orlop_api.image import ImageFormat
from orlop_api.quantity import Quantity
from orlop_api.resource import ApiModel, DnsLabel

Share = Annotated[str, Field(max_length=20, pattern=r"^[0-9]+(%|(\.[0-9]{1,3})?(k|M|G|T|Ki|Mi|Gi|Ti)?)$")]
"""A quantity, or a percentage of something."""

Interface = Annotated[str, Field(min_length=1, max_length=15, pattern=r"^[^\s/:]+$")]
"""Name of a network interface, as Linux allows it."""

CONFIG_PATH = Path("/etc/orlop/config.yaml")


class ImageConfig(ApiModel):
    """Where images may come from, and how large they may be."""

    allowed_private_hosts: Annotated[list[str], Field(max_length=64)] = []
    """host:port of servers at private or the cluster's own addresses that images may come from; none by default."""
    refused_networks: Annotated[list[IPv4Network | IPv6Network], Field(max_length=64)] = []
    """Public networks that no image comes from, unless the host is allowed. Those of Nodes, the API server and Services
    are known."""
    max_size: Quantity = "64Gi"
    """Largest file that is fetched."""
    max_virtual_size: Quantity = "2Ti"
    """Largest disk that an image may unfold to."""
    max_expansion: Annotated[int, Field(ge=2, le=2000)] = 100
    """How many times its size a compressed file may unfold to; the first GiB is free."""
    formats: Annotated[list[ImageFormat], Field(min_length=1, max_length=7)] = [
        ImageFormat.QCOW2, ImageFormat.RAW, ImageFormat.ISO,
    ]  # fmt: skip
    """Formats that images may have; vmdk, vhd, vhdx and vdi are converted to qcow2."""
    min_bytes_per_second: Annotated[int, Field(ge=1)] = 65536
    """A download slower than this over a minute is given up and tried again."""
    cache_capacity: Share = "25%"
    """What a node keeps of images in all, as a quantity or a part of its data pool. What is in use always stays."""
    peers: Literal["Enabled", "Disabled"] = "Enabled"
    """Enabled: nodes take images from each other, before they ask the source. Disabled: always from the source."""
    cache_max_age: Duration = "720h"
    """A cached image that nothing used for this long goes."""


class NodeConfig(ApiModel):
    """What a node gives to guests."""

    vcpu_ratio: Annotated[float, Field(gt=0, le=64)] = 4.0
    """Virtual CPUs per processor of the node, as Nova's cpu_allocation_ratio."""
    reserved_memory: Quantity = "512Mi"
    """Memory kept for the node itself."""
    virtualization_type: Literal["auto", "kvm", "qemu"] = "auto"
    """auto: kvm where the processor and /dev/kvm both have it, otherwise qemu's emulation."""
    physical_networks: Annotated[dict[DnsLabel, Interface], Field(max_length=16)] = {}
    """Name of a physical network to the nodes' interface on it, for example `public: eth0`: FloatingIPs are announced
    there, and VLAN and Bridge Networks are there. A node without that interface has not that network."""


class OrlopConfig(ApiModel):
    """The whole of orlop-config."""

    images: ImageConfig = ImageConfig()
    """Where images may come from, and how large they may be."""
    node: NodeConfig = NodeConfig()
    """What a node gives to guests."""


def load_config(path: Path = CONFIG_PATH) -> OrlopConfig:
    """Read the file; a missing one is every default. ValidationError names what is wrong in it."""
    if not path.exists():
        return OrlopConfig()
    return OrlopConfig.model_validate(yaml.safe_load(path.read_text()) or {})
