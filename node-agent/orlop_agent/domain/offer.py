"""What hardware guests can have here, from what libvirt says of itself (formatcaps.html, formatdomaincaps.html)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from xml.etree import ElementTree as ET

from orlop_agent.domain.element import Node, element
from orlop_api.hardware import (
    CPU_MODES,
    MOST_CPU_FEATURES,
    MOST_CPU_MODELS,
    MOST_MACHINE_TYPES,
    Firmware,
    HardwareOffer,
)

BOARDS = {"pc": "pc-i440fx-", "q35": "pc-q35-"}
"""Families that a domain here can have, and how versions of them are called."""


def read_offer(
    capabilities: str, domain_capabilities: str, features: str | None, architecture: str
) -> HardwareOffer:
    """The offer; `domain_capabilities` are q35's, and `features` is an expanded <cpu>, if there is one."""
    domain = _parsed(domain_capabilities)
    uefi = "efi" in _values(domain, "os/enum[@name='firmware']")
    return HardwareOffer(
        machine_types=sorted(set(_boards(_parsed(capabilities), architecture)))[:MOST_MACHINE_TYPES],
        firmwares=[Firmware.BIOS, Firmware.UEFI] if uefi else [Firmware.BIOS],
        tpm_versions=["2.0"] if _has_tpm(domain) else [],
        cpu_models=sorted(set(_models(domain)))[:MOST_CPU_MODELS],
        cpu_features=sorted(sorted(set(_features(features)), key=_detail)[:MOST_CPU_FEATURES]),
    )


def host_model(domain_capabilities: str) -> str | None:
    """The <cpu> that mode host-model stands for, to be expanded; None where there is no such mode."""
    mode = _parsed(domain_capabilities).find("cpu/mode[@name='host-model'][@supported='yes']")
    if mode is None or mode.find("model") is None:
        return None
    return ET.tostring(element("cpu", *mode), encoding="unicode")


def _boards(capabilities: Node, architecture: str) -> Iterator[str]:
    for machine in capabilities.iterfind(f"guest/arch[@name='{architecture}']/machine"):
        name = machine.text or ""
        if name in BOARDS or name.startswith(tuple(BOARDS.values())):
            yield name


def _has_tpm(domain: Node) -> bool:
    """Before libvirt 8.6 no versions were told, and 2.0 was among those of every emulator."""
    tpm = domain.find("devices/tpm[@supported='yes']")
    if tpm is None or "emulator" not in _values(tpm, "enum[@name='backendModel']"):
        return False
    versions = _values(tpm, "enum[@name='backendVersion']")
    return "tpm-crb" in _values(tpm, "enum[@name='model']") and (not versions or "2.0" in versions)


def _models(domain: Node) -> Iterator[str]:
    for mode in CPU_MODES:
        if domain.find(f"cpu/mode[@name='{mode}'][@supported='yes']") is not None:
            yield mode
    for model in domain.iterfind("cpu/mode[@name='custom'][@supported='yes']/model[@usable='yes']"):
        yield model.text or ""


def _features(expanded: str | None) -> Iterator[str]:
    if expanded is not None:
        for feature in _parsed(expanded).iterfind("feature[@policy='require']"):
            yield feature.get("name", "")


def _detail(feature: str) -> tuple[bool, str]:
    """Newer libvirts tell a hundred parts of vmx; where not all names have room, the others matter more."""
    return feature.startswith("vmx-"), feature


def _values(within: Node, path: str) -> set[str]:
    return set(_texts(within.iterfind(f"{path}/value")))


def _texts(found: Iterable[Node]) -> Iterator[str]:
    return (each.text or "" for each in found)


def _parsed(text: str) -> Node:
    # libvirtd's own word: root's on this node.
    return ET.fromstring(text)  # noqa: S314
