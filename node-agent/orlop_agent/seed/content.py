"""The files of the seed, as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import yaml

from orlop_agent.network import resolver
from orlop_agent.network.segment import Segment
from orlop_api.assignment import AssignedNic
from orlop_api.keypair import AssignedKey
from orlop_api.network import Dhcp, Ipv6Mode


def files(
    instance_uid: str,
    hostname: str,
    nics: Sequence[AssignedNic],
    user_data: bytes,
    keys: Sequence[AssignedKey] = (),
) -> dict[str, bytes]:
    """Content by file name. The instance-id is the Instance's uid: it never changes, so nothing runs twice."""
    meta_data: dict[str, Any] = {"instance-id": instance_uid, "local-hostname": hostname}
    if keys:
        # cloud-init lets their owners in as its default user, at the first boot (its module ssh).
        meta_data["public-keys"] = [key.public_key for key in keys]
    return {
        # JSON is YAML, and quotes whatever a name may hold.
        "meta-data": json.dumps(meta_data).encode() + b"\n",
        "user-data": user_data,
        "network-config": yaml.safe_dump(network_config(nics), sort_keys=False).encode(),
    }


def network_config(nics: Sequence[AssignedNic]) -> dict[str, Any]:
    """cloud-init's "Networking Config Version 2": every NIC by its MAC, with the name that its Instance gives."""
    return {"version": 2, "ethernets": {nic.name: _ethernet(nic, first=nic is nics[0]) for nic in nics}}


def _ethernet(nic: AssignedNic, *, first: bool) -> dict[str, Any]:
    match: dict[str, Any] = {"match": {"macaddress": nic.mac_address}}
    if nic.dhcp is Dhcp.ENABLED:
        return {**match, "dhcp4": nic.cidr is not None, **_told6(nic)}
    static: dict[str, Any] = {
        **match,
        "dhcp4": False,
        "addresses": _addresses4(nic) + _address6(nic),
        "mtu": nic.mtu,
    }
    segment = Segment.of(nic)
    routes = [{"to": str(to), "via": str(via)} for to, via in resolver.routes(segment)]
    if first:  # one way out, as with DHCP the first answer
        routes += [{"to": "0.0.0.0/0", "via": nic.gateway}] if nic.gateway is not None else []
    routes += [{"to": str(to), "via": str(via)} for to, via in resolver.routes6(segment, first=first)]
    if routes:
        static["routes"] = routes
    servers, search = resolver.told(segment), resolver.search(segment)
    servers6 = resolver.told6(segment)
    nameservers = {"addresses": [*map(str, servers), *map(str, servers6)], "search": list(search)}
    if servers or servers6 or search:
        static["nameservers"] = {name: values for name, values in nameservers.items() if values}
    return static


def _told6(nic: AssignedNic) -> dict[str, Any]:
    """The gateway's advertisements say how the guest comes to its address; cloud-init has to start the client."""
    if nic.ipv6 is None:
        return {}
    return {"dhcp6": nic.ipv6.mode is Ipv6Mode.DHCPV6, "accept-ra": True}


def _addresses4(nic: AssignedNic) -> list[str]:
    if nic.cidr is None:
        return []
    prefix = IPv4Network(nic.cidr).prefixlen
    return [f"{address}/{prefix}" for address in nic.addresses]


def _address6(nic: AssignedNic) -> list[str]:
    return [] if nic.ipv6 is None else [f"{nic.ipv6.address}/{IPv6Network(nic.ipv6.cidr).prefixlen}"]
