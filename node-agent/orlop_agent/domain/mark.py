"""<metadata>: whose domain this is."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from orlop_agent.domain.element import Node, element
from orlop_agent.hypervisor import Mark

NAMESPACE = "https://orlop.dev/domain"
_BARE_TAG = "instance"
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


def read_mark(xml: str) -> Mark | None:
    """The mark in a domain's XML, or in its metadata alone; None where it carries none, or one that cannot be read."""
    # The text is libvirtd's own: root wrote it on this node.
    root = ET.fromstring(xml)  # noqa: S314
    # Asked for the metadata alone, libvirt leaves the namespace out (virDomainGetMetadata).
    found = root if root.tag == _BARE_TAG else next(root.iter(_TAG), None)
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
