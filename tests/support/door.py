"""The API server of the shared cluster from outside, for whoever has a token."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

import yaml

from orlop_cluster.lab import Lab


@dataclass(frozen=True)
class Door:
    """What support.rest needs to know."""

    url: str
    ca: str
    token: str = ""


def door(cluster: Lab, folder: Path, token: str = "") -> Door:
    """The door; the cluster's authority is written into the folder."""
    reached = yaml.safe_load(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]
    ca = folder / "ca"
    ca.write_bytes(base64.b64decode(reached["certificate-authority-data"]))
    return Door(reached["server"], str(ca), token)
