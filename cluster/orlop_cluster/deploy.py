"""Install Orlop in a development cluster: load its images, apply its manifests, wait until it serves."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from orlop_cluster import existing
from orlop_cluster.lab import DEV, ROOT, Lab

MANIFESTS = ROOT / "manifests/overlays/dev"
IMAGE = "orlop.dev/image"
"""Annotation of the pods: their images keep their name, so this is what makes other code another rollout."""
_PODS = {"Deployment": "orlop-operator", "DaemonSet": "orlop-agent"}


def deploy(lab: Lab) -> None:
    """Load the container images and apply the manifests; returns when operator and agents serve."""
    manifests = MANIFESTS
    if not existing.enabled():
        archive = Path(_output([str(DEV), "image", "operator", "agent", "--quiet"]).strip())
        lab.dev("load", str(archive))
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        manifests = lab.state / "overlay"
        manifests.mkdir(exist_ok=True)
        # JSON is YAML.
        (manifests / "kustomization.yaml").write_text(json.dumps(overlay(manifests, digest), indent=1))
    lab.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(manifests))
    for kind, name in _PODS.items():
        lab.kubectl("rollout", "status", f"{kind}/{name}", "--namespace=orlop-system", "--timeout=180s")
    lab.wait("hypervisors --all", seconds=120)


def overlay(directory: Path, digest: str) -> dict[str, Any]:
    """A kustomization in `directory` of the development manifests, with the images' digest on the pods."""
    annotated = {"spec": {"template": {"metadata": {"annotations": {IMAGE: f"sha256:{digest}"}}}}}
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(MANIFESTS, directory)],
        "patches": [
            {
                "target": {"kind": kind, "name": name},
                "patch": json.dumps({"kind": kind, "metadata": {"name": name}, **annotated}),
            }
            for kind, name in _PODS.items()
        ],
    }


def _output(command: list[str]) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
