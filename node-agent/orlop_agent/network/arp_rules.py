"""What a guest may say by ARP, as chains of the table `bridge orlop`. Pure text."""

from __future__ import annotations

from orlop_agent.network.drops import drop
from orlop_agent.network.metadata_rules import Metadata
from orlop_agent.network.segment import Segment


def from_guests(segment: Segment) -> str:
    """Nothing, where the Network has no IPv4."""
    if segment.ipv4 is None:
        return f"  chain arp_from_guests {{\n    {drop('ipv4')}\n  }}\n"
    return f"""  chain arp_from_guests {{
    arp htype 1 arp hlen 6 arp plen 4 iifname . arp saddr ether . arp saddr ip @senders accept
    arp htype 1 arp hlen 6 arp plen 4 arp saddr ip 0.0.0.0 goto arp_probes
    arp saddr ip {Metadata(segment).gateway} {drop("forged_arp")}
    arp htype 1 arp hlen 6 arp plen 4 iifname . arp saddr ether . arp saddr ip @more_senders accept
    {drop("forged_arp")}
  }}
  chain arp_probes {{
    arp operation request iifname . arp saddr ether . arp daddr ip @senders accept
    arp daddr ip {Metadata(segment).gateway} {drop("forged_arp")}
    arp operation request iifname . arp saddr ether . arp daddr ip @more_senders accept
    {drop("forged_arp")}
  }}
"""
