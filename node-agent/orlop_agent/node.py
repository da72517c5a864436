"""Facts about the node: which boot this is, what it has, which pool its data is in."""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import socket
import struct
import uuid
from pathlib import Path
from typing import Literal

from orlop_agent import durable
from orlop_api.capacity import Capacity
from orlop_api.config import NodeConfig
from orlop_api.physical_interface import InterfaceType, PhysicalInterface
from orlop_api.quantity import to_bytes

_BOOT_NAMESPACE = uuid.UUID("4f3c2a3e-7b60-5a0e-9d86-6f1f0c1c0b57")
VirtualizationType = Literal["kvm", "qemu"]
_ROUND = 1 << 20
_SIOCGIFADDR, _SIOCGIFMTU, _SIOCETHTOOL = 0x8915, 0x8921, 0x8946
_ETHTOOL_GDRVINFO = 3


def boot_id(proc: Path = Path("/proc")) -> str:
    """A name for this boot of the node, new with every boot.

    The kernel's random boot id (random(4)) is not enough: a node may be a container, as kind's are, and
    share its kernel with others. What begins anew with such a node is its init, so the start time of
    process 1 is part of the name (proc(5), /proc/pid/stat, field 22, in clock ticks since the kernel's boot;
    the agent sees the node's own process 1, for it runs in the node's process namespace).
    """
    kernel = (proc / "sys/kernel/random/boot_id").read_text().strip()
    # The second field is a program's name in brackets and may itself hold spaces and brackets.
    after_name = (proc / "1/stat").read_text().rpartition(")")[2].split()
    return str(uuid.uuid5(_BOOT_NAMESPACE, f"{kernel}/{after_name[22 - 3]}"))


def pool_id(path: Path) -> str:
    """The data pool's random name, made at first sight; a disk that was replaced has another."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        made = str(uuid.uuid4())
        durable.write(path, made.encode(), mode=0o644)
        return made


def capacity(config: NodeConfig, pool: Path, proc: Path = Path("/proc")) -> Capacity:
    """What the node has for guests, without any overcommit; memory and disk in whole MiB."""
    memory = _total_memory(proc) - to_bytes(config.reserved_memory)
    disk = os.statvfs(pool)
    return Capacity(
        vcpus=os.cpu_count() or 1,
        memory_bytes=max(0, memory) // _ROUND * _ROUND,
        disk_bytes=disk.f_blocks * disk.f_frsize // _ROUND * _ROUND,
    )


def architecture() -> str:
    """As Images name it, for example x86_64."""
    return platform.machine()


def underlay_mtu(address: str) -> int | None:
    """MTU of the interface that has this address (netdevice(7)); None while no interface has it."""
    wanted = socket.inet_aton(address)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("16s24x", name.encode())
            try:
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, request)
            except OSError:  # an interface without an IPv4 address
                continue
            if answer[20:24] == wanted:
                return int(struct.unpack_from("i", fcntl.ioctl(probe, _SIOCGIFMTU, request), 16)[0])
    return None


def physical_networks(config: NodeConfig) -> list[str]:
    """Those that the node has an interface on, by name."""
    there = {name for _, name in socket.if_nameindex()}
    return sorted(name for name, interface in config.physical_networks.items() if interface in there)


def physical_interfaces(config: NodeConfig) -> list[PhysicalInterface]:
    """The same with what has to be known of them."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for network in physical_networks(config):
            name = config.physical_networks[network].encode()
            try:
                answer = fcntl.ioctl(probe, _SIOCGIFMTU, struct.pack("16s24x", name))
            except OSError:  # it went meanwhile
                continue
            mtu, driver = int(struct.unpack_from("i", answer, 16)[0]), _driver(probe, name)
            kind = InterfaceType.BRIDGE if driver == b"bridge" else InterfaceType.OTHER
            found.append(PhysicalInterface(name=network, mtu=mtu, type=kind))
    return found


def _driver(probe: socket.socket, name: bytes) -> bytes:
    """Name of an interface's driver (ethtool(8), -i); empty where it does not say."""
    buffer = ctypes.create_string_buffer(struct.pack("I192x", _ETHTOOL_GDRVINFO))
    try:
        fcntl.ioctl(probe, _SIOCETHTOOL, struct.pack("16sP16x", name, ctypes.addressof(buffer)))
    except OSError:
        return b""
    return buffer.raw[4:36].rstrip(b"\0")


def bridge_filter(proc: Path = Path("/proc")) -> Literal["Loaded", "Missing"]:
    """Whether the kernel has br_netfilter, as the network namespace of this process shows it."""
    return "Loaded" if (proc / "sys/net/bridge/bridge-nf-call-iptables").exists() else "Missing"


def virtualization_type(
    config: NodeConfig, proc: Path = Path("/proc"), dev: Path = Path("/proc/1/root/dev")
) -> VirtualizationType:
    """Either kvm, where the processor's flag and the device are both there, or qemu (emulation).

    The node's own devices are looked at; the agent's container has none of them.
    A node with /dev/kvm whose processor shows neither vmx nor svm hangs its guests.
    """
    if config.virtualization_type != "auto":
        return config.virtualization_type
    flags = set((proc / "cpuinfo").read_text().split())
    return "kvm" if flags & {"vmx", "svm"} and (dev / "kvm").exists() else "qemu"


def _total_memory(proc: Path) -> int:
    for line in (proc / "meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal":
            return int(value.split()[0]) * 1024
    raise OSError(f"{proc}/meminfo has no MemTotal")
