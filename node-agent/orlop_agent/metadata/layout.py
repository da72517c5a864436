"""Where everything is, as OpenStack has it (nova: Metadata service) and EC2 (instance metadata categories). Pure.

A tree of folders and files, made anew for each question. A folder answers with the names in it, one a line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from orlop_agent.metadata.guest import Guest, Ipv6, Nic, Route

ZONE = "orlop"
"""Availability zone and region: there is one of each, and programs want a name."""
OPENSTACK_VERSIONS = (
    "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27",
    "latest",
)  # fmt: skip
EC2_VERSIONS = (
    "1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
    "2009-04-04", "2011-01-01", "2012-01-12", "2014-02-25", "2014-11-05", "2015-10-20", "2016-04-19", "2016-06-30",
    "2016-09-02", "2018-03-28", "2018-08-17", "2018-09-24", "2019-10-01", "2020-10-27", "2021-01-03", "2021-03-23",
    "latest",
)  # fmt: skip
"""What each brought is in all of them; cloud-init asks for 2009-04-04, and for the newest of those that it knows."""


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    kind: str = "text/plain"


Folder = Mapping[str, "Folder | File"]


def find(guest: Guest, path: str) -> File | None:
    """The file at a path, or the names in a folder; None where there is nothing."""
    at: Folder | File = _root(guest)
    steps = [step for step in path.split("/") if step]
    for step in steps:
        if isinstance(at, File) or step not in at:
            return None
        at = at[step]
    return at if isinstance(at, File) else File(_names(at, steps, guest).encode())


def _root(guest: Guest) -> Folder:
    ec2 = _ec2(guest)
    return {
        **dict.fromkeys(EC2_VERSIONS, ec2),
        "openstack": dict.fromkeys(OPENSTACK_VERSIONS, _openstack(guest)),
    }


def _names(folder: Folder, steps: Sequence[str], guest: Guest) -> str:
    if not steps:
        return "\n".join(EC2_VERSIONS)
    if steps[1:] == ["meta-data", "public-keys"]:
        return "\n".join(f"{number}={name}" for number, (name, _) in enumerate(guest.keys))
    # Versions of OpenStack are told bare.
    bare = steps == ["openstack"]
    return "\n".join(
        name if bare or isinstance(entry, File) else f"{name}/" for name, entry in folder.items()
    )


def _openstack(guest: Guest) -> Folder:
    meta_data = {
        "uuid": guest.uid,
        "name": guest.name,
        "hostname": guest.name,
        "launch_index": 0,
        "availability_zone": ZONE,
        "project_id": guest.namespace,
        "meta": {},
        "public_keys": dict(guest.keys),
        "keys": [{"name": name, "type": "ssh", "data": key} for name, key in guest.keys],
        "devices": [],
    }
    files: dict[str, Folder | File] = {
        "meta_data.json": _json(meta_data),
        "network_data.json": _json(network_data(guest.nics)),
        "vendor_data.json": _json({}),
        "vendor_data2.json": _json({}),
    }
    if guest.user_data:
        files["user_data"] = File(guest.user_data)
    return files


def network_data(nics: Sequence[Nic]) -> dict[str, object]:
    """All NICs, in order (nova: network_data.json)."""
    return {
        "links": [
            {
                "id": f"tap{number}", "vif_id": nic.port, "type": "tap", "mtu": nic.mtu,
                "ethernet_mac_address": nic.mac,
            }
            for number, nic in enumerate(nics)
        ],
        "networks": [network for number, nic in enumerate(nics) for network in _networks(number, nic)],
        "services": _services(
            server
            for nic in nics
            for server in (*nic.servers, *(nic.ipv6.servers if nic.ipv6 is not None else ()))
        ),
    }  # fmt: skip


def _networks(number: int, nic: Nic) -> Iterator[dict[str, object]]:
    usual = {"link": f"tap{number}", "network_id": nic.network}
    if nic.cidr is not None:
        yield from _networks4(number, nic, IPv4Network(nic.cidr), usual)
    if nic.ipv6 is not None:
        yield _network6(number, nic, nic.ipv6, usual)


def _networks4(
    number: int, nic: Nic, cidr: IPv4Network, usual: dict[str, str]
) -> Iterator[dict[str, object]]:
    if nic.dhcp:
        yield {"id": f"network{number}", "type": "ipv4_dhcp", **usual}
        return
    for count, address in enumerate(nic.addresses):
        yield {
            "id": f"network{number}-{count}", "type": "ipv4", **usual,
            "ip_address": address, "netmask": str(cidr.netmask), "routes": _routes(nic.routes) if count == 0 else [],
            "services": _services(nic.servers),
        }  # fmt: skip


def _network6(number: int, nic: Nic, ipv6: Ipv6, usual: dict[str, str]) -> dict[str, object]:
    if nic.dhcp:
        kind = "ipv6_slaac" if ipv6.slaac else "ipv6_dhcpv6-stateful"
        return {"id": f"network{number}-6", "type": kind, **usual}
    return {
        "id": f"network{number}-6", "type": "ipv6", **usual,
        "ip_address": ipv6.address, "netmask": str(IPv6Network(ipv6.cidr).netmask), "routes": _routes(ipv6.routes),
        "services": _services(ipv6.servers),
    }  # fmt: skip


def _routes(routes: Sequence[Route]) -> list[dict[str, str]]:
    ways = [(ip_network(route.to), route.via) for route in routes]
    return [
        {"network": str(to.network_address), "netmask": str(to.netmask), "gateway": via} for to, via in ways
    ]


def _services(servers: Iterable[str]) -> list[dict[str, str]]:
    return [{"type": "dns", "address": server} for server in servers]


def _ec2(guest: Guest) -> Folder:
    document = {
        "instanceId": guest.uid, "availabilityZone": ZONE, "region": ZONE, "version": "2017-09-30",
    } | ({"privateIp": guest.address} if guest.address is not None else {})  # fmt: skip
    tree: dict[str, Folder | File] = {
        "meta-data": _meta_data(guest),
        "dynamic": {"instance-identity": {"document": _json(document)}},
    }
    if guest.user_data:
        tree["user-data"] = File(guest.user_data, "application/octet-stream")
    return tree


def _meta_data(guest: Guest) -> Folder:
    macs = {nic.mac: _interface(guest, number, nic) for number, nic in enumerate(guest.nics)}
    tree: dict[str, Folder | File] = {
        "ami-launch-index": _line("0"),
        "hostname": _line(guest.name),
        "instance-id": _line(guest.uid),
        "local-hostname": _line(guest.name),
        "mac": _line(guest.nics[0].mac),
        "network": {"interfaces": {"macs": macs}},
        "placement": {"availability-zone": _line(ZONE), "region": _line(ZONE)},
    }
    if guest.address is not None:
        tree["local-ipv4"] = _line(guest.address)
    if guest.ipv6 is not None:
        tree["ipv6"] = _line(guest.ipv6)
    if guest.keys:
        tree["public-keys"] = {str(n): {"openssh-key": _line(key)} for n, (_, key) in enumerate(guest.keys)}
    return tree


def _interface(guest: Guest, number: int, nic: Nic) -> Folder:
    tree: dict[str, Folder | File] = {
        "device-number": _line(str(number)),
        "interface-id": _line(nic.port),
        "local-hostname": _line(guest.name),
        "mac": _line(nic.mac),
    }
    if nic.cidr is not None:
        tree["local-ipv4s"] = _line("\n".join(nic.addresses))
        tree["subnet-ipv4-cidr-block"] = _line(nic.cidr)
    if nic.ipv6 is not None:
        tree["ipv6s"] = _line(nic.ipv6.address)
        tree["subnet-ipv6-cidr-blocks"] = _line(nic.ipv6.cidr)
    return tree


def _line(text: str) -> File:
    return File(text.encode())


def _json(said: object) -> File:
    return File(json.dumps(said).encode(), "application/json")
