"""What a live domain's description says of it (virDomainGetXMLDesc)."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from orlop_agent.domain.disk import read_disk
from orlop_agent.domain.interface import read_interface
from orlop_agent.domain.mark import read_mark
from orlop_agent.hypervisor import Domain, Power


def read_domain(xml: str, power: Power) -> Domain | None:
    """The domain; None for one without a mark, which is not Orlop's."""
    # The text is libvirtd's own: root wrote it on this node.
    root = ET.fromstring(xml)  # noqa: S314
    mark = read_mark(root)
    if mark is None:
        return None
    disks = tuple(map(read_disk, root.iterfind("devices/disk")))
    nics = tuple(map(read_interface, root.iterfind("devices/interface")))
    return Domain(mark, power, disks, nics)
