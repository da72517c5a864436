"""The list of elements that a domain is."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from orlop_agent.domain import boot, console, cpu, extras, lifecycle
from orlop_agent.domain.disk import disk
from orlop_agent.domain.element import Node, element
from orlop_agent.domain.interface import interface
from orlop_agent.domain.mark import metadata
from orlop_agent.domain.spec import DomainSpec

NAME_PREFIX = "orlop-"


def domain_xml(spec: DomainSpec) -> str:
    """The domain's description for virDomainCreateXML."""
    domain = element(
        "domain",
        element("name", text=NAME_PREFIX + spec.mark.instance_uid),
        element("uuid", text=spec.mark.instance_uid),
        metadata(spec.mark),
        cpu.memory(spec),
        cpu.vcpu(spec),
        boot.operating_system(spec),
        lifecycle.features(),
        cpu.cpu(spec),
        lifecycle.clock(),
        *lifecycle.endings(),
        _devices(spec),
        type=spec.virtualization_type,
    )
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode")


def _devices(spec: DomainSpec) -> Node:
    disks = [made_of for made_of in spec.disks if not made_of.disc]
    discs = [made_of for made_of in spec.disks if made_of.disc]
    boots = spec.kernel is None
    return element(
        "devices",
        *(
            disk(index, made_of, spec.disk_cache, boot=1 if boots and index == 0 else None)
            for index, made_of in enumerate(disks)
        ),
        # An empty root disk boots nothing, so the disc does; once the guest is installed, its disk comes first.
        *(
            disk(index, made_of, spec.disk_cache, boot=2 + index if boots else None)
            for index, made_of in enumerate(discs)
        ),
        extras.no_usb(),
        *extras.ports(spec),
        *map(interface, spec.nics),
        console.serial(spec.console_log),
        extras.guest_agent(),
        extras.memballoon(),
        extras.rng(),
        extras.tpm(spec),
        extras.panic() if spec.architecture == "x86_64" else None,
    )
