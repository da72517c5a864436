"""Which tap may use which MAC and addresses: elements of sets of the table `bridge orlop`. Pure text."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from orlop_agent.network import ipv6, metadata_rules, physical_rules
from orlop_agent.network.segment import Attachment

LATER = {
    "chaddrs": "typeof meta iifname . @th,288,48;",
    "more_addresses": "typeof meta iifname . ether saddr . ip saddr; flags interval;",
    "more_senders": "typeof meta iifname . arp saddr ether . arp saddr ip; flags interval;",
    **ipv6.SETS,
}
"""Sets that agents before did not have."""


def elements(attachments: Collection[Attachment]) -> dict[str, frozenset[str]]:
    """Which tap may use which MAC and addresses, by set."""
    macs: list[str] = []
    chaddrs: list[str] = []
    pairs: list[str] = []
    more: list[str] = []
    sets6: dict[str, list[str]] = {name: [] for name in ipv6.SETS}
    for attachment in sorted(attachments, key=lambda each: each.tap):
        who = f'"{attachment.tap}" . {attachment.mac}'
        macs.append(who)
        pairs += [f"{who} . {address}" for address in attachment.addresses]
        more += [f"{who} . {range_}" for range_ in attachment.pairs]
        for name, found in ipv6.elements(attachment.tap, attachment.mac, attachment.addresses6).items():
            sets6[name] += found
        chaddrs.append(f'"{attachment.tap}" . 0x{attachment.mac.replace(":", "")}')
    sets = {
        "macs": macs, "chaddrs": chaddrs, "addresses": pairs, "senders": pairs,
        "more_addresses": more, "more_senders": more, **sets6,
    }  # fmt: skip
    if any(attachment.segment.metadata4 for attachment in attachments):
        sets["receivers"] = pairs
    if any(attachment.segment.metadata6 for attachment in attachments):
        sets["receivers6"] = sets6["addresses6"]
    if any(attachment.segment.physical is not None for attachment in attachments):
        sets["here"] = [attachment.mac for attachment in attachments]
    return {name: frozenset(found) for name, found in sets.items()}


def whole(attachments: Collection[Attachment]) -> str:
    """All of the Network's taps at once, replaced as one."""
    sets = elements(attachments)
    # Ranges are in sets of their own, for those are looked up more slowly. An older agent's table has not all of them.
    text = "".join(f"add set bridge orlop {name} {{ {kind} }}\n" for name, kind in LATER.items())
    if "receivers" in sets:
        text += f"add set bridge orlop receivers {{ {metadata_rules.RECEIVERS} }}\n"
    if "receivers6" in sets:
        text += f"add set bridge orlop receivers6 {{ {metadata_rules.RECEIVERS6} }}\n"
    if "here" in sets:
        text += f"add set bridge orlop here {{ {physical_rules.HERE} }}\n"
    text += "".join(f"flush set bridge orlop {name}\n" for name in sets)
    return text + "".join(_listed("add", name, found) for name, found in sets.items())


def changes(have: Mapping[str, frozenset[str]], want: Mapping[str, frozenset[str]]) -> str:
    """From one to the other, of the same sets: one NIC more is a few elements, however many there are."""
    text = ""
    for name, new in want.items():
        old = have[name]
        if name.startswith("more_") and old != new:
            # Ranges that follow each other in one transaction could overlap.
            text += f"flush set bridge orlop {name}\n" + _listed("add", name, new)
        else:
            text += _listed("delete", name, old - new) + _listed("add", name, new - old)
    return text


def _listed(verb: str, name: str, found: Collection[str]) -> str:
    return f"{verb} element bridge orlop {name} {{ {', '.join(sorted(found))} }}\n" if found else ""
