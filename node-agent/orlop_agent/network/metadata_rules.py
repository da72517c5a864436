"""Rules for 169.254.169.254, which each node answers by itself; nothing where the Network has no metadata. Pure text.

Who asks is told by the source address alone, so it has to be the NIC's very own: what an allowed address pair permits
elsewhere is no identity here. Answers are held to that too: whoever drew another's address to itself by ARP, as pairs
allow, gets no answer to another's question.
"""

from __future__ import annotations

from dataclasses import dataclass

from orlop_agent.network.drops import drop
from orlop_agent.network.names import BRIDGE
from orlop_agent.network.segment import Segment
from orlop_api.network import METADATA_ADDRESS, METADATA_PORT

RECEIVERS = "typeof meta oifname . ether daddr . ip daddr;"
_RATE = "20/second burst 200 packets"
"""New connections of one guest: cloud-init asks for each value by one of its own, some fifty at once."""


@dataclass(frozen=True)
class Metadata:
    """Parts of the tables `bridge orlop` and `inet orlop`."""

    segment: Segment

    @property
    def gateway(self) -> str:
        """What nobody but the node itself may speak as; only where the Network has IPv4."""
        own = str(self.segment.gateway)
        return f"{{ {own}, {METADATA_ADDRESS} }}" if self.segment.metadata else own

    @property
    def sets(self) -> str:
        return self._where(f"  counter foreign_answers {{ }}\n  set receivers {{ {RECEIVERS} }}\n")

    @property
    def asked(self) -> str:
        """From another of the guest's addresses than its own."""
        return self._where(f"    ip daddr {METADATA_ADDRESS} {drop('foreign_metadata')}\n")

    @property
    def overlay(self) -> str:
        """Questions stay on their node."""
        return self._where(
            f"    ip daddr {METADATA_ADDRESS} {drop('foreign_metadata')}\n"
            f"    arp daddr ip {METADATA_ADDRESS} {drop('foreign_metadata')}\n"
        )

    @property
    def elsewhere(self) -> str:
        """Part of a rule about what is no question."""
        return self._where(f" ip daddr != {METADATA_ADDRESS}")

    @property
    def answers(self) -> str:
        return self._where(f"""  chain answers {{
    type filter hook output priority -300; policy accept;
    ip saddr {METADATA_ADDRESS} oifname . ether daddr . ip daddr != @receivers counter name foreign_answers drop
  }}
""")

    @property
    def meter(self) -> str:
        return self._where("  set asking { type ipv4_addr; size 65535; flags dynamic; timeout 1m; }\n")

    @property
    def asking(self) -> str:
        own = f'iifname "{BRIDGE}" ip saddr {self.segment.cidr} ip daddr {METADATA_ADDRESS} tcp dport {METADATA_PORT}'
        return self._where(
            f"    {own} ct state new update @asking {{ ip saddr limit rate over {_RATE} }} counter drop\n"
            f"    {own} accept\n"
        )

    @property
    def waiting(self) -> str:
        """While no agent listens nobody is turned away: a first packet goes unanswered, and is sent again."""
        return self._where(f"""  chain output {{
    type filter hook output priority filter; policy accept;
    ip saddr {METADATA_ADDRESS} tcp sport {METADATA_PORT} tcp flags & rst == rst tcp sequence 0 drop
  }}
""")

    def _where(self, text: str) -> str:
        return text if self.segment.metadata else ""
