"""The floor of the bench: the same guest started by `virsh create`, with nothing of Orlop in the way.

The domain is Orlop's own, its disks copied and its NIC on a bridge with a DHCP server that were made
before the clock starts, so what is timed is libvirt, QEMU and the guest.
"""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

FOLDER = "/run/orlop-floor"
ADDRESS, GATEWAY, MAC, UUID = (
    "192.0.2.10",
    "192.0.2.1",
    "02:00:00:00:f1:00",
    "f1000000-0000-4000-8000-000000000000",
)
TAP, BRIDGE = "floor-tap", "floor-br"

SETUP = f"""
set -e
mkdir -p {FOLDER}
ip link add {BRIDGE} type bridge; ip addr add {GATEWAY}/24 dev {BRIDGE}; ip link set {BRIDGE} up
dnsmasq --conf-file=/dev/null --port=0 --interface={BRIDGE} --bind-interfaces --dhcp-range={GATEWAY},static \
  --dhcp-host={MAC},{ADDRESS} --dhcp-leasefile={FOLDER}/leases --pid-file={FOLDER}/pid --dhcp-authoritative
"""
TEARDOWN = f"""
virsh destroy {UUID} >/dev/null 2>&1; kill $(cat {FOLDER}/pid); ip link del {TAP} 2>/dev/null; ip link del {BRIDGE}
rm -rf {FOLDER}; true
"""
# One line each: when virsh was called, when libvirt said Started, when the guest was ready, and the same for the end.
RUN = f"""
set -e
cp {{root}} {FOLDER}/root.qcow2; cp {{seed}} {FOLDER}/seed.iso; chmod 666 {FOLDER}/*.qcow2 {FOLDER}/*.iso
ip tuntap add dev {TAP} mode tap vnet_hdr; ip link set {TAP} master {BRIDGE} up
: > {FOLDER}/console.log; chmod 666 {FOLDER}/console.log
echo called $(date +%s.%N)
virsh create {FOLDER}/domain.xml >/dev/null
echo running $(date +%s.%N)
timeout 60 tail -n +1 -F {FOLDER}/console.log 2>/dev/null | grep -q -m1 ORLOP-READY
echo ready $(date +%s.%N)
echo destroy $(date +%s.%N)
virsh destroy {UUID} >/dev/null
rm -f {FOLDER}/root.qcow2 {FOLDER}/seed.iso {FOLDER}/console.log; ip link del {TAP}
echo gone $(date +%s.%N)
"""


@dataclass(frozen=True)
class FloorRun:
    """Seconds of one start and end by virsh."""

    running: float
    guest_ready: float
    gone: float


def domain_xml(orlops: str) -> str:
    """Orlop's own domain with other names, disks and NIC."""
    root = ET.fromstring(orlops)
    root.attrib.pop("id", None)
    for name, text in (("name", "floor"), ("uuid", UUID)):
        root.find(name).text = text
    for tag in ("metadata", "seclabel"):
        for element in root.findall(tag):
            root.remove(element)
    devices = root.find("devices")
    for element in devices.iter():
        for tag in ("alias", "address"):
            for child in element.findall(tag):
                element.remove(child)
    for disk in devices.findall("disk"):
        source = disk.find("source")
        source.attrib.pop("index", None)
        source.set("file", f"{FOLDER}/{source.get('file').rsplit('/', 1)[1]}")
    nic = devices.find("interface")
    nic.find("mac").set("address", MAC)
    nic.find("target").set("dev", TAP)
    for log in (
        *devices.iter("log"),
        *(s for k in ("serial", "console") for s in devices.findall(f"{k}/source")),
    ):
        for key in ("file", "path"):
            if log.get(key, "").endswith(".log"):
                log.set(key, f"{FOLDER}/console.log")
    return ET.tostring(root, encoding="unicode")


def parse(output: str) -> FloorRun:
    at = {key: float(value) for key, value in re.findall(r"^(\w+) ([\d.]+)$", output, re.MULTILINE)}
    return FloorRun(at["running"] - at["called"], at["ready"] - at["called"], at["gone"] - at["destroy"])
