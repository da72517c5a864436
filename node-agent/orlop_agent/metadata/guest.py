"""What a guest may know of itself: one file of its Instance, written with the seed. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Address, IPv6Network
from typing import Any, Self

from orlop_agent.network import resolver
from orlop_agent.network.segment import Segment
from orlop_api.assigned_ipv6 import AssignedIpv6
from orlop_api.assignment import AssignedNic, AssignmentSpec
from orlop_api.network import Ipv6Mode, MetadataService


@dataclass(frozen=True, slots=True)
class Route:
    """A way that is told, beside the subnet's own."""

    to: str
    """Destination in CIDR form."""
    via: str


@dataclass(frozen=True, slots=True)
class Ipv6:
    """What a NIC has of IPv6."""

    address: str
    cidr: str
    slaac: bool
    """Whether the guest makes it, where it is not told."""
    routes: tuple[Route, ...] = ()
    servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Nic:
    """One NIC, in words that both layouts use."""

    port: str
    network: str
    """The Network's uid."""
    mac: str
    mtu: int
    addresses: tuple[str, ...]
    """Of IPv4."""
    cidr: str | None
    """Of IPv4; None where it has IPv6 alone."""
    dhcp: bool
    routes: tuple[Route, ...] = ()
    servers: tuple[str, ...] = ()
    """Name servers of IPv4."""
    ipv6: Ipv6 | None = None


@dataclass(frozen=True, slots=True)
class Guest:
    """All that any answer is made of."""

    uid: str
    name: str
    namespace: str
    nics: tuple[Nic, ...]
    keys: tuple[tuple[str, str], ...] = ()
    """Name and public key."""
    user_data: bytes = b""

    @classmethod
    def of(cls, spec: AssignmentSpec, user_data: bytes) -> Self:
        """As ordered. Raises ValueError."""
        return cls(
            uid=spec.instance.uid,
            name=spec.instance.name,
            namespace=spec.instance.namespace,
            nics=tuple(_nic(nic, first=nic is spec.nics[0]) for nic in spec.nics),
            keys=tuple((key.name, key.public_key) for key in spec.public_keys),
            user_data=user_data,
        )

    @property
    def address(self) -> str | None:
        """Of IPv4, of the first NIC that has any."""
        return next((address for nic in self.nics for address in nic.addresses), None)

    @property
    def ipv6(self) -> str | None:
        """The same of IPv6."""
        return next((nic.ipv6.address for nic in self.nics if nic.ipv6 is not None), None)

    def text(self) -> bytes:
        """For the file, and for who answers."""
        nics = [
            {
                "port": nic.port, "network": nic.network, "mac": nic.mac, "mtu": nic.mtu,
                "addresses": nic.addresses, "cidr": nic.cidr, "dhcp": nic.dhcp, "servers": nic.servers,
                "routes": [[route.to, route.via] for route in nic.routes],
                "ipv6": None if nic.ipv6 is None else _said6(nic.ipv6),
            }
            for nic in self.nics
        ]  # fmt: skip
        said = {
            "uid": self.uid, "name": self.name, "namespace": self.namespace, "nics": nics, "keys": self.keys,
            "userData": base64.b64encode(self.user_data).decode(),
        }  # fmt: skip
        return json.dumps(said).encode()

    @classmethod
    def read(cls, text: bytes) -> Self:
        """The reverse of text. Raises ValueError for what another version wrote."""
        try:
            said: dict[str, Any] = json.loads(text)
            return cls(
                uid=said["uid"],
                name=said["name"],
                namespace=said["namespace"],
                nics=tuple(_read(nic) for nic in said["nics"]),
                keys=tuple((name, key) for name, key in said["keys"]),
                user_data=base64.b64decode(said["userData"], validate=True),
            )
        except (KeyError, TypeError, binascii.Error) as error:
            raise ValueError(f"no metadata of this version: {error!r}") from error


def wanted(spec: AssignmentSpec) -> bool:
    """Whether some Network of the Instance has metadata."""
    return any(nic.metadata is MetadataService.ENABLED for nic in spec.nics)


def _nic(nic: AssignedNic, *, first: bool) -> Nic:
    segment = Segment.of(nic)
    routes = [Route(str(to), str(via)) for to, via in resolver.routes(segment)]
    if first and segment.gateway is not None:  # one way out, as in the seed
        routes.append(Route("0.0.0.0/0", str(segment.gateway)))
    return Nic(
        port=nic.port_name,
        network=nic.network_uid,
        mac=nic.mac_address,
        mtu=segment.mtu,
        addresses=tuple(str(IPv4Interface(address).ip) for address in nic.addresses),
        cidr=nic.cidr,
        dhcp=segment.dhcp,
        routes=tuple(routes),
        servers=tuple(map(str, resolver.told(segment))),
        ipv6=None if nic.ipv6 is None else _ipv6(nic.ipv6, segment, first=first),
    )


def _ipv6(given: AssignedIpv6, segment: Segment, *, first: bool) -> Ipv6:
    return Ipv6(
        address=str(IPv6Address(given.address)),
        cidr=str(IPv6Network(given.cidr)),
        slaac=given.mode is Ipv6Mode.SLAAC,
        routes=tuple(Route(str(to), str(via)) for to, via in resolver.routes6(segment, first=first)),
        servers=tuple(map(str, resolver.told6(segment))),
    )


def _said6(ipv6: Ipv6) -> dict[str, object]:
    return {
        "address": ipv6.address, "cidr": ipv6.cidr, "slaac": ipv6.slaac, "servers": ipv6.servers,
        "routes": [[route.to, route.via] for route in ipv6.routes],
    }  # fmt: skip


def _read6(said: dict[str, Any]) -> Ipv6:
    return Ipv6(
        address=said["address"],
        cidr=said["cidr"],
        slaac=said["slaac"],
        routes=tuple(Route(to, via) for to, via in said["routes"]),
        servers=tuple(said["servers"]),
    )


def _read(said: dict[str, Any]) -> Nic:
    return Nic(
        port=said["port"],
        network=said["network"],
        mac=said["mac"],
        mtu=said["mtu"],
        addresses=tuple(said["addresses"]),
        cidr=said["cidr"],
        dhcp=said["dhcp"],
        routes=tuple(Route(to, via) for to, via in said["routes"]),
        servers=tuple(said["servers"]),
        # Agents of before did not say it.
        ipv6=_read6(said["ipv6"]) if said.get("ipv6") is not None else None,
    )
