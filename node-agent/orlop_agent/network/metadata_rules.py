"""Rules for 169.254.169.254 and fd00:ec2::254, which each node answers by itself; nothing where the Network has no
metadata, or none by that family. Pure text.

Who asks is told by the source address alone, so it has to be the NIC's very own: what an allowed address pair permits
elsewhere is no identity here. Answers are held to that too: whoever drew another's address to itself by ARP, as pairs
allow, gets no answer to another's question.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address

from orlop_agent.network.drops import drop
from orlop_agent.network.names import BRIDGE
from orlop_agent.network.segment import Segment
from orlop_api.network import METADATA_ADDRESS, METADATA_ADDRESS6, METADATA_PORT

RECEIVERS = "typeof meta oifname . ether daddr . ip daddr;"
RECEIVERS6 = "typeof meta oifname . ether daddr . ip6 daddr;"
_RATE = "20/second burst 200 packets"
"""New connections of one guest: cloud-init asks for each value by one of its own, some fifty at once."""
_TARGET6 = f"@th,64,128 {int(IPv6Address(METADATA_ADDRESS6)):#x}"


@dataclass(frozen=True)
class Metadata:
    """Parts of the tables `bridge orlop` and `inet orlop`."""

    segment: Segment

    @property
    def gateway(self) -> str:
        """What nobody but the node itself may speak as; only where the Network has IPv4."""
        own = str(self.segment.gateway)
        return f"{{ {own}, {METADATA_ADDRESS} }}" if self.segment.metadata4 else own

    @property
    def gateway6(self) -> tuple[IPv6Address, ...]:
        """The same of IPv6, beside the gateway's own."""
        return (IPv6Address(METADATA_ADDRESS6),) if self.segment.metadata6 else ()

    @property
    def sets(self) -> str:
        counter = "  counter foreign_answers { }\n" if self.segment.metadata else ""
        return counter + self._by(
            f"  set receivers {{ {RECEIVERS} }}\n", f"  set receivers6 {{ {RECEIVERS6} }}\n"
        )

    @property
    def asked(self) -> str:
        """From another of the guest's addresses than its own. Of IPv6 it has no other."""
        return self._by(f"    ip daddr {METADATA_ADDRESS} {drop('foreign_metadata')}\n", "")

    @property
    def overlay(self) -> str:
        """Questions stay on their node."""
        return self._by(
            f"    ip daddr {METADATA_ADDRESS} {drop('foreign_metadata')}\n"
            f"    arp daddr ip {METADATA_ADDRESS} {drop('foreign_metadata')}\n",
            "",
        )

    @property
    def overlay6(self) -> str:
        return self._by(
            "",
            f"    ip6 daddr {METADATA_ADDRESS6} {drop('foreign_metadata')}\n"
            f"    icmpv6 type nd-neighbor-solicit {_TARGET6} {drop('foreign_metadata')}\n",
        )

    @property
    def elsewhere(self) -> str:
        """Part of a rule about what is no question."""
        return self._by(f" ip daddr != {METADATA_ADDRESS}", "")

    @property
    def answers(self) -> str:
        """By IPv6 the gateway also asks for neighbours from this address, and of all: only what holds an answer."""
        rules = self._by(
            f"    ip saddr {METADATA_ADDRESS} oifname . ether daddr . ip daddr != @receivers"
            " counter name foreign_answers drop\n",
            f"    ip6 saddr {METADATA_ADDRESS6} meta l4proto tcp oifname . ether daddr . ip6 daddr != @receivers6"
            " counter name foreign_answers drop\n",
        )
        return _chain("answers", "type filter hook output priority -300; policy accept;", rules)

    @property
    def meter(self) -> str:
        usual = "size 65535; flags dynamic; timeout 1m;"
        return self._by(
            f"  set asking {{ type ipv4_addr; {usual} }}\n", f"  set asking6 {{ type ipv6_addr; {usual} }}\n"
        )

    @property
    def asking(self) -> str:
        found, ipv6 = "", self.segment.ipv6
        by = (
            ("ip", "asking", self.segment.cidr, METADATA_ADDRESS, self.segment.metadata4),
            (
                "ip6",
                "asking6",
                ipv6.cidr if ipv6 is not None else None,
                METADATA_ADDRESS6,
                self.segment.metadata6,
            ),
        )
        for ip, meter, cidr, to, there in by:
            if there:
                own = f'iifname "{BRIDGE}" {ip} saddr {cidr} {ip} daddr {to} tcp dport {METADATA_PORT}'
                limit = f"update @{meter} {{ {ip} saddr limit rate over {_RATE} }}"
                found += f"    {own} ct state new {limit} counter drop\n    {own} accept\n"
        return found

    @property
    def waiting(self) -> str:
        """While no agent listens nobody is turned away: a first packet goes unanswered, and is sent again."""
        refusal = f"tcp sport {METADATA_PORT} tcp flags & rst == rst tcp sequence 0 drop\n"
        rules = self._by(
            f"    ip saddr {METADATA_ADDRESS} {refusal}", f"    ip6 saddr {METADATA_ADDRESS6} {refusal}"
        )
        return _chain("output", "type filter hook output priority filter; policy accept;", rules)

    def _by(self, ipv4: str, ipv6: str) -> str:
        """Of the families by which there is metadata."""
        return (ipv4 if self.segment.metadata4 else "") + (ipv6 if self.segment.metadata6 else "")


def _chain(name: str, hook: str, rules: str) -> str:
    return f"  chain {name} {{\n    {hook}\n{rules}  }}\n" if rules else ""
