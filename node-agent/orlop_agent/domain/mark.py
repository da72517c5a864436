"""<metadata>: whose domain this is."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from orlop_agent.domain.element import Node, element
from orlop_agent.hypervisor import Mark

NAMESPACE = "https://orlop.dev/domain"
_TAG = f"{{{NAMESPACE}}}instance"
ET.register_namespace("orlop", NAMESPACE)


def metadata(mark: Mark) -> Node:
    return element(
        "metadata",
        element(
            _TAG,
            uid=mark.instance_uid,
            assignment=mark.assignment_uid,
            epoch=str(mark.epoch),
            start=mark.start_id,
            namespace=mark.namespace,
            name=mark.name,
        ),
    )


def read_mark(domain: Node) -> Mark | None:
    """The mark in a domain's description; None where it carries none, or one that cannot be read."""
    found = next(domain.iter(_TAG), None)
    if found is None:
        return None
    try:
        return Mark(
            instance_uid=found.attrib["uid"],
            assignment_uid=found.attrib["assignment"],
            epoch=int(found.attrib["epoch"]),
            start_id=found.attrib["start"],
            namespace=found.attrib["namespace"],
            name=found.attrib["name"],
        )
    except (KeyError, ValueError):
        return None
