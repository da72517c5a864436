"""What the operator's process is told by its environment (ORLOP_…)."""

from __future__ import annotations

import socket
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Everything has a default that fits the manifests."""

    model_config = SettingsConfigDict(env_prefix="ORLOP_")

    pod_name: str = Field(default_factory=socket.gethostname, validation_alias="POD_NAME")
    """Who this replica is in the election."""
    namespace: str = Field(default="orlop-system", validation_alias="POD_NAMESPACE")
    """Where the election's Lease is."""
    workers: int = Field(default=16, ge=1, le=256)
    """Objects that are looked at at the same time."""

    @property
    def for_one(self) -> int:
        """How many of these may be of one namespace: an eighth of the workers is for others."""
        return self.workers - self.workers // 8

    webhook: Literal["Enabled", "Disabled"] = "Enabled"
    """Disabled only where no API server calls it, in tests."""
    webhook_port: int = 9443
    health_port: int = 8080
    resync_seconds: float = Field(default=300.0, gt=0)
    """How often everything is listed and looked at anew; with more than 50,000 objects more seldom in proportion."""
    log_level: Literal["DEBUG", "INFO", "WARNING"] = "INFO"
