"""Names within a Network: who is called what, who answers, and who is asked for all other names. Pure text.

`web-1` is web-1.<domain> and web-1.<namespace>.<domain>, where the domain is the subnet's. The short form belongs to
the Instances of the Network's own namespace alone, so nobody whom the Network is lent to can take a name of theirs:
an Instance's name is one label, and cannot be read as another namespace's. Only typed values come in (see segment.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from orlop_agent.network.book import Book
from orlop_agent.network.ipv6 import IpAddress
from orlop_agent.network.segment import Segment
from orlop_api.network import METADATA_ADDRESS, METADATA_ADDRESS6
from orlop_api.subnet_options import DEFAULT_DOMAIN

_OCTET_PREFIXES = (16, 24, 32)
"""Reverse zones end at octets (RFC 1035, section 3.5)."""
_LARGEST_ANSWER = 1232
"""Bytes in one datagram that no underlay has to cut (DNS flag day 2020)."""
_REMEMBERED = 1000
"""Answers of other servers."""
_LOCALHOST = "localhost"
"""Means everybody's own machine (RFC 6761, section 6.3), whatever an Instance is called."""


def answers(segment: Segment) -> bool:
    """Whether Orlop's gateway is a name server: where a subnet lists it as one."""
    return bool(listening(segment))


def listening(segment: Segment) -> tuple[IpAddress, ...]:
    """The gateway's addresses that are listed, each by the subnet that it is of; none where it is another machine."""
    found: list[IpAddress] = []
    if segment.physical is not None:
        return ()
    if segment.gateway is not None and segment.gateway in segment.dns:
        found.append(segment.gateway)
    if segment.ipv6 is not None and segment.ipv6.gateway in segment.ipv6.dns:
        found.append(segment.ipv6.gateway)
    return tuple(found)


def upstream(segment: Segment) -> tuple[IPv4Address, ...]:
    """Whom the gateway asks for names that are not the Network's: the servers beside it that are outside.

    A guest could ask the same servers itself: what it gets from the gateway, it may have. Without a way out there are
    none, and one inside the subnet may be on another node, where the gateway's own questions do not come.
    """
    ipv4 = segment.ipv4
    if ipv4 is None or ipv4.gateway not in listening(segment) or not segment.egress:
        return ()
    return tuple(server for server in segment.dns if server not in ipv4.cidr)


def told(segment: Segment) -> tuple[IPv4Address, ...]:
    """Name servers of IPv4 that guests are told.

    Those that the gateway asks are left out: they do not know the Network's names, and programs take the first
    answer, whoever gives it.
    """
    if segment.gateway is None or segment.gateway not in listening(segment):
        return segment.dns
    asked = {segment.gateway, *upstream(segment)}
    return (segment.gateway, *(server for server in segment.dns if server not in asked))


def told6(segment: Segment) -> tuple[IPv6Address, ...]:
    """The same of IPv6: there is no way out by it, so the gateway asks none of the others."""
    if segment.ipv6 is None or segment.ipv6.gateway not in segment.ipv6.dns:
        return segment.ipv6.dns if segment.ipv6 is not None else ()
    own = segment.ipv6.gateway
    return (own, *(server for server in segment.ipv6.dns if server != own))


def domain(segment: Segment) -> str | None:
    """The domain that guests are told as theirs; None where there is no need for one."""
    return segment.domain or (DEFAULT_DOMAIN if answers(segment) else None)


def search(segment: Segment) -> tuple[str, ...]:
    """The domains in which guests look for a name without one."""
    own = domain(segment)
    return tuple(dict.fromkeys([*([own] if own else []), *segment.search]))


def routes(segment: Segment) -> tuple[tuple[IPv4Network, IPv4Address], ...]:
    """Ways that guests are told beside the default one; metadata is the gateway's, whichever way that leads."""
    own: tuple[tuple[IPv4Network, IPv4Address], ...] = ()
    if segment.metadata and segment.gateway is not None:
        own = ((IPv4Network(METADATA_ADDRESS), segment.gateway),)
    return (*own, *segment.routes)


def routes6(segment: Segment, *, first: bool) -> tuple[tuple[IPv6Network, IPv6Address], ...]:
    """Ways of IPv6 that guests are told where nothing is advertised: to metadata, and by the first NIC to a Router's
    Networks. There may be one at any time; until then the gateway refuses at once.
    """
    if segment.ipv6 is None:
        return ()
    to = [IPv6Network(METADATA_ADDRESS6)] if segment.metadata6 else []
    to += [IPv6Network("::/0")] if first else []
    return tuple((each, segment.ipv6.gateway) for each in to)


def configuration(segment: Segment, directory: Path) -> str:
    """The configuration of dnsmasq(8).

    It answers on those of the gateway's addresses alone that are listed. Names of the Network's domain and addresses
    of its subnets are never asked of others, nor are names of one label; without anybody to ask, other questions are
    refused.
    """
    lines = [
        "port=53",
        *(f"listen-address={address}" for address in listening(segment)),
        "bind-interfaces",
        "no-resolv",
        "no-hosts",
        # Says nothing about itself (version.bind).
        "no-ident",
        "domain-needed",
        "bogus-priv",
        f"edns-packet-max={_LARGEST_ANSWER}",
        f"cache-size={_REMEMBERED}",
        "user=nobody",
        "group=nogroup",
        f"pid-file={directory / 'dnsmasq.pid'}",
        f"hostsdir={hosts_dir(directory)}",
        f"local=/{domain(segment)}/",
        *(f"local=/{zone}/" for zone in (_reverse_zones(segment.cidr) if segment.cidr else ())),
        *(f"local=/{zone}/" for zone in (_reverse_zones6(segment.ipv6.cidr) if segment.ipv6 else ())),
        *(f"server={server}" for server in upstream(segment)),
    ]
    return "".join(f"{line}\n" for line in lines)


def hosts(segment: Segment, book: Book, only: Iterable[IpAddress] | None = None) -> dict[str, str]:
    """Who is called what, in the form of /etc/hosts.

    By file name: one for 256 addresses each, so that one more name is a small file. With `only` just the files that
    have these addresses; one that shall not be there is empty.
    """
    if only is None:
        found: Iterable[IpAddress] = sorted(book.called, key=lambda each: (each.version, int(each)))
        files: dict[str, str] = {}
    else:
        near = {_file(address): address for address in only if _is_near(segment, address)}
        files = dict.fromkeys(near, "")
        found = (each for address in near.values() for each in _beside(address))
    for address in found:
        line = _line(segment, address, book)
        if line:
            name = _file(address)
            files[name] = files.get(name, "") + line
    return files


def hosts_dir(directory: Path) -> Path:
    return directory / "hosts"


def _file(address: IpAddress) -> str:
    """Its name without the last eight bits."""
    if isinstance(address, IPv4Address):
        return str(address).rpartition(".")[0]
    return address.exploded[:-2].replace(":", "-")


def _beside(address: IpAddress) -> Iterator[IpAddress]:
    """All whose names are in the same file."""
    first = int(address) & ~0xFF
    yield from (type(address)(each) for each in range(first, first + 256))


def _line(segment: Segment, address: IpAddress, book: Book) -> str:
    """What is said of an address; nothing where no Port in use has it."""
    if not _is_near(segment, address):
        return ""
    namespace, name = max(
        (each for each in book.called.of(address) if each[1] != _LOCALHOST), default=("", "")
    )
    if not name:
        return ""
    own = segment.home is None or namespace == segment.home
    full = f"{name}.{namespace}.{domain(segment)}"
    # An address is turned back into the first of its names.
    called = f"{name}.{domain(segment)} {full} {name}" if own else full
    return f"{address} {called}\n"


def _is_near(segment: Segment, address: IpAddress) -> bool:
    if isinstance(address, IPv4Address):
        return segment.cidr is not None and address in segment.cidr
    return segment.ipv6 is not None and address in segment.ipv6.cidr


def _reverse_zones(cidr: IPv4Network) -> Iterator[str]:
    """The parts of in-addr.arpa that are the subnet's, and nobody else's."""
    prefix = next(each for each in _OCTET_PREFIXES if each >= cidr.prefixlen)
    for part in cidr.subnets(new_prefix=prefix):
        labels = str(part.network_address).split(".")[: prefix // 8]
        yield ".".join([*reversed(labels), "in-addr.arpa"])


def _reverse_zones6(cidr: IPv6Network) -> Iterator[str]:
    """The parts of ip6.arpa likewise: zones end at four bits (RFC 3596, section 2.5)."""
    prefix = -(-cidr.prefixlen // 4) * 4
    for part in cidr.subnets(new_prefix=prefix):
        digits = part.network_address.exploded.replace(":", "")[: prefix // 4]
        yield ".".join([*reversed(digits), "ip6.arpa"])
