"""What the pod tells the agent through its environment; what the platform team decides is in orlop-config."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings

from orlop_api.config import CONFIG_PATH


class Settings(BaseSettings):
    """Environment variables, by the names of the fields."""

    node_name: str
    """The Kubernetes Node that this is."""
    host_ip: str
    """Its address on the underlay."""
    kubernetes_service_host: str = ""
    """Set by the kubelet in every pod."""
    kubernetes_service_port: str = "443"
    kubeconfig: Path | None = None
    """For an agent outside a cluster's pods: its user is used as it is."""
    orlop_root: Path = Path("/")
    """Below it the agent keeps its files."""
    orlop_config: Path = CONFIG_PATH
    libvirt_uri: str = "qemu:///system"
    orlop_peer_port: int = Field(default=9444, ge=0, le=65535)
    """Where other nodes get images, on `host_ip`; 0 is any that is free."""
    orlop_metrics_port: int = Field(default=9445, ge=0, le=65535)
    """Where Prometheus reads, on `host_ip`; 0 is any that is free."""
    orlop_log_level: str = "INFO"
