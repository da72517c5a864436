"""What a guest is told of itself: by its seed, and where its Network has it, by metadata. One content for both."""

from __future__ import annotations

from pathlib import Path

from orlop_agent import durable
from orlop_agent.metadata.guest import Guest, wanted
from orlop_agent.paths import Layout
from orlop_agent.seed.content import files
from orlop_agent.seed.iso import image
from orlop_api.assignment import AssignmentSpec


def write(layout: Layout, spec: AssignmentSpec, user_data: bytes) -> Path:
    """The seed's path. Both files are root's alone, and go with the Instance's directory. OSError."""
    uid = spec.instance.uid
    if wanted(spec):
        durable.write(layout.metadata(uid), Guest.of(spec, user_data).text())
    content = files(uid, spec.instance.name, spec.nics, user_data, spec.public_keys)
    durable.write(layout.seed(uid), image(content))
    return layout.seed(uid)
